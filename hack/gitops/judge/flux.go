package main

import (
	"context"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func kstatus(object *unstructured.Unstructured) (verdict, error) {
	found, err := status.Compute(object)
	if err != nil {
		return verdict{}, err
	}
	return verdict{Status: found.Status.String(), Message: found.Message}, nil
}

func fluxCD(
	ctx context.Context,
	expressions kustomize.HealthCheckExpressions,
	object *unstructured.Unstructured,
) (verdict, error) {
	evaluator, err := cel.NewStatusEvaluator(&expressions)
	if err != nil {
		return verdict{}, err
	}
	found, err := evaluator.Evaluate(ctx, object)
	if err != nil {
		return verdict{}, err
	}
	return verdict{Status: found.Status.String(), Message: found.Message}, nil
}
