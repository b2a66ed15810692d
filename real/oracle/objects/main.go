// Objects says what Kubernetes itself makes of API objects: it is the judge of the lab's tables of columns and fields.
//
// One JSON line of a case in, one of an answer out. A case is an object ("object"), or a kind to be filled with
// what a seeded source of randomness gives ("kind", "apiVersion", "seed").
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/admissionregistration/install"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/authentication/install"
	_ "k8s.io/kubernetes/pkg/apis/authorization/install"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	_ "k8s.io/kubernetes/pkg/apis/certificates/install"
	_ "k8s.io/kubernetes/pkg/apis/coordination/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/discovery/install"
	_ "k8s.io/kubernetes/pkg/apis/events/install"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	_ "k8s.io/kubernetes/pkg/apis/rbac/install"
	_ "k8s.io/kubernetes/pkg/apis/scheduling/install"
	"k8s.io/kubernetes/pkg/printers"
	printersinternal "k8s.io/kubernetes/pkg/printers/internalversion"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/randfill"
)

type question struct {
	Object     json.RawMessage `json:"object"`
	Kind       string          `json:"kind"`
	APIVersion string          `json:"apiVersion"`
	Seed       int64           `json:"seed"`
	Nil        float64         `json:"nil"`
}

type column struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Format   string `json:"format,omitempty"`
	Priority int32  `json:"priority,omitempty"`
}

type answer struct {
	Object   json.RawMessage `json:"object,omitempty"`
	Protobuf []byte          `json:"protobuf,omitempty"`
	Columns  []column        `json:"columns,omitempty"`
	Cells    []any           `json:"cells,omitempty"`
	Unknown  []string        `json:"unknown,omitempty"`
	Error    string          `json:"error,omitempty"`
}

var tables = printers.NewTableGenerator().With(printersinternal.AddHandlers)

func filler(seed int64, seldom float64) *randfill.Filler {
	letters := []rune("abcxyz019")
	return randfill.New().RandSource(rand.NewSource(seed)).NilChance(seldom).NumElements(1, 2).MaxDepth(30).Funcs(
		func(text *string, c randfill.Continue) {
			made := make([]rune, 1+c.Intn(6))
			for n := range made {
				made[n] = letters[c.Intn(len(letters))]
			}
			*text = string(made)
		},
		// No time: an age is told from now.
		func(*metav1.Time, randfill.Continue) {},
		func(*metav1.MicroTime, randfill.Continue) {},
		func(managed *[]metav1.ManagedFieldsEntry, _ randfill.Continue) { *managed = nil },
		func(quantity *resource.Quantity, c randfill.Continue) {
			*quantity = *resource.NewQuantity(c.Int63n(1000), resource.DecimalSI)
		},
		func(either *intstr.IntOrString, c randfill.Continue) {
			*either = intstr.FromInt32(c.Int31n(100))
			if c.Bool() {
				*either = intstr.FromString(fmt.Sprintf("%d%%", c.Int31n(100)))
			}
		},
		func(raw *runtime.RawExtension, _ randfill.Continue) { raw.Raw = []byte(`{"a":[1,"b"]}`) },
		func(operator *metav1.LabelSelectorOperator, c randfill.Continue) {
			operators := []metav1.LabelSelectorOperator{"In", "NotIn", "Exists", "DoesNotExist", "Near"}
			*operator = operators[c.Intn(len(operators))]
		},
	)
}

func made(asked question) (runtime.Object, error) {
	kind := schema.FromAPIVersionAndKind(asked.APIVersion, asked.Kind)
	thing, err := legacyscheme.Scheme.New(kind)
	if err != nil {
		return nil, err
	}
	filler(asked.Seed, asked.Nil).Fill(thing)
	thing.GetObjectKind().SetGroupVersionKind(kind)
	return thing, nil
}

func read(asked question, answer *answer) (runtime.Object, error) {
	var named metav1.TypeMeta
	if err := json.Unmarshal(asked.Object, &named); err != nil {
		return nil, err
	}
	thing, err := legacyscheme.Scheme.New(named.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	unknown, err := kjson.UnmarshalStrict(asked.Object, thing)
	for _, one := range unknown {
		answer.Unknown = append(answer.Unknown, one.Error())
	}
	return thing, err
}

func judge(asked question) (answer answer) {
	var thing runtime.Object
	var err error
	if asked.Object != nil {
		thing, err = read(asked, &answer)
	} else {
		thing, err = made(asked)
	}
	if err != nil {
		answer.Error = err.Error()
		return answer
	}
	if asked.Object == nil {
		if answer.Object, err = json.Marshal(thing); err != nil {
			answer.Error = err.Error()
			return answer
		}
		var body bytes.Buffer
		if err := protobuf.NewSerializer(legacyscheme.Scheme, legacyscheme.Scheme).Encode(thing, &body); err != nil {
			answer.Error = err.Error()
			return answer
		}
		answer.Protobuf = body.Bytes()
		// As it is when it has been sent and kept: a pointer to no time is none.
		asked.Object = answer.Object
		if thing, err = read(asked, &answer); err != nil {
			answer.Error = err.Error()
			return answer
		}
	}
	print(thing, &answer)
	return answer
}

// Without defaults, which the lab's printers do not see either: they print what is kept.
func print(thing runtime.Object, answer *answer) {
	internal, err := legacyscheme.Scheme.ConvertToVersion(thing, runtime.InternalGroupVersioner)
	if err != nil {
		return
	}
	table, err := tables.GenerateTable(internal, printers.GenerateOptions{Wide: true})
	if err != nil {
		return // no printer of its own
	}
	if answer.Object != nil { // once a kind is enough
		for _, one := range table.ColumnDefinitions {
			answer.Columns = append(answer.Columns, column{one.Name, one.Type, one.Format, one.Priority})
		}
	}
	answer.Cells = table.Rows[0].Cells
}

func run() error {
	if err := v1.AddToScheme(legacyscheme.Scheme); err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
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
	time.Local = time.UTC
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "objects:", err)
		os.Exit(1)
	}
}
