// List_options says what apiserver makes of the query of a list: it is the judge of kubevouch.metrics.serving.
//
// One JSON line of a query in, one of an answer out: which of the objects are chosen, or the refusal.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/url"
	"os"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	internalscheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

type question struct {
	Query   url.Values `json:"query"`
	Objects []object   `json:"objects"`
}

type object struct {
	Namespace string            `json:"namespace"`
	Name      string            `json:"name"`
	Labels    map[string]string `json:"labels"`
}

type answer struct {
	Chosen  []string       `json:"chosen,omitempty"`
	Refused *metav1.Status `json:"refused,omitempty"`
}

// options are those of handlers/get.go in k8s.io/apiserver (listOpts), whose function is private.
func options(query url.Values) (*internalversion.ListOptions, *apierrors.StatusError) {
	found := internalversion.ListOptions{}
	if err := internalscheme.ParameterCodec.DecodeParameters(query, metav1.SchemeGroupVersion, &found); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	internalversion.SetListOptionsDefaults(&found, true)
	if errs := validation.ValidateListOptions(&found, true); len(errs) > 0 {
		kind := schema.GroupKind{Group: metav1.GroupName, Kind: "ListOptions"}
		return nil, apierrors.NewInvalid(kind, "", errs)
	}
	if found.FieldSelector != nil {
		transformed, err := found.FieldSelector.Transform(runtime.DefaultMetaV1FieldSelectorConversion)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		found.FieldSelector = transformed
	}
	return &found, nil
}

func judge(asked question) answer {
	found, refused := options(asked.Query)
	if refused != nil {
		return answer{Refused: &refused.ErrStatus}
	}
	var chosen []string
	for _, each := range asked.Objects {
		if found.LabelSelector != nil && !found.LabelSelector.Matches(labels.Set(each.Labels)) {
			continue
		}
		place := fields.Set{"metadata.name": each.Name, "metadata.namespace": each.Namespace}
		if found.FieldSelector == nil || found.FieldSelector.Matches(place) {
			chosen = append(chosen, each.Name)
		}
	}
	return answer{Chosen: chosen}
}

func run() error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			return err
		}
		if err := out.Encode(judge(asked)); err != nil {
			return err
		}
	}
	return lines.Err()
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "list_options:", err)
		os.Exit(1)
	}
}
