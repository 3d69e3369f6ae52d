// Command judge tells what GitOps tools make of Kubernetes objects, by their own code: Argo CD's
// Lua interpreter, kstatus (kubectl's and Flux's), and Flux's evaluation of healthCheckExprs.
//
// It reads one JSON document from standard input and writes one to standard output.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/pkg/apis/kustomize"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type question struct {
	// Script is what argocd-cm holds for the kind.
	Script string `json:"script"`
	// Expressions is the entry of healthCheckExprs for the kind.
	Expressions kustomize.HealthCheckExpressions `json:"expressions"`
	// Objects are whole objects, by any names.
	Objects map[string]unstructured.Unstructured `json:"objects"`
}

type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return err
	}
	answers := map[string]map[string]verdict{}
	for name, object := range asked.Objects {
		answer, err := judge(&asked, &object)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		answers[name] = answer
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

func judge(asked *question, object *unstructured.Unstructured) (map[string]verdict, error) {
	argo, err := argoCD(asked.Script, object.Object)
	if err != nil {
		return nil, fmt.Errorf("Argo CD: %w", err)
	}
	plain, err := kstatus(object)
	if err != nil {
		return nil, fmt.Errorf("kstatus: %w", err)
	}
	flux, err := fluxCD(context.Background(), asked.Expressions, object)
	if err != nil {
		return nil, fmt.Errorf("Flux: %w", err)
	}
	return map[string]verdict{"argocd": argo, "kstatus": plain, "flux": flux}, nil
}
