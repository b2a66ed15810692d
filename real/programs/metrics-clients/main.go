// Command metrics-clients asks a server of metrics.k8s.io by client-go's typed clients of both versions: lists, one, one that is not
// there, and a watch; as kubectl does, which prefers protobuf. It prints what the clients have made of the answers, and why they were refused.
package main

import (
	"context"
	"encoding/json"
	"os"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	metrics "k8s.io/metrics/pkg/client/clientset/versioned"
)

// reader is a typed client, of one object O and of a list L of them.
type reader[O, L any] interface {
	Get(context.Context, string, metav1.GetOptions) (O, error)
	List(context.Context, metav1.ListOptions) (L, error)
	Watch(context.Context, metav1.ListOptions) (watch.Interface, error)
}

func main() {
	server, authority, token, node, namespace, pod := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6]
	clients := metrics.NewForConfigOrDie(&rest.Config{
		Host:            server,
		BearerToken:     token,
		TLSClientConfig: rest.TLSClientConfig{CAFile: authority},
		ContentConfig:   rest.ContentConfig{ContentType: "application/vnd.kubernetes.protobuf"},
	})
	v1, v1beta1 := clients.MetricsV1(), clients.MetricsV1beta1()
	must(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"v1 nodes":      asked(v1.NodeMetricses(), node),
		"v1 pods":       asked(v1.PodMetricses(namespace), pod),
		"v1beta1 nodes": asked(v1beta1.NodeMetricses(), node),
		"v1beta1 pods":  asked(v1beta1.PodMetricses(namespace), pod),
	}))
}

func asked[O, L any](of reader[O, L], name string) map[string]any {
	ctx := context.Background()
	list, err := of.List(ctx, metav1.ListOptions{})
	must(err)
	chosen, err := of.List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	must(err)
	one, err := of.Get(ctx, name, metav1.GetOptions{})
	must(err)
	_, missing := of.Get(ctx, "nowhere", metav1.GetOptions{})
	_, watched := of.Watch(ctx, metav1.ListOptions{})
	return map[string]any{
		"list": list, "chosen": chosen, "one": one,
		"missing": apierrors.ReasonForError(missing), "watch": apierrors.ReasonForError(watched),
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
