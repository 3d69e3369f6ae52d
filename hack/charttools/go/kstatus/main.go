// kstatus reads Kubernetes objects from standard input (YAML documents or JSON) and prints, for
// each, what kstatus computes from it: the status and the message, separated by a tab.
// Flux, kpt and others wait for resources by exactly this computation.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "kstatus: %v\n", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	decoder := yaml.NewYAMLOrJSONDecoder(in, 4096)
	for count := 0; ; count++ {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
			if count == 0 {
				return errors.New("standard input holds no object")
			}
			return nil
		} else if err != nil {
			return fmt.Errorf("object %d cannot be read: %w", count, err)
		}
		result, err := status.Compute(object)
		if err != nil {
			return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
		fmt.Fprintf(out, "%s\t%s\n", result.Status, strings.ReplaceAll(result.Message, "\n", " "))
	}
}
