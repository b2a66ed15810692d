// Quantities says what apimachinery makes of Kubernetes quantities: it is the judge of kubevouch.quantity.
//
// One JSON line of a case in, one of an answer out.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/api/resource"
)

type question struct {
	Nanocores *int64  `json:"nanocores"`
	Bytes     *int64  `json:"bytes"`
	Text      *string `json:"text"`
}

type answer struct {
	// How it prints, in canonical form.
	Text  string `json:"text,omitempty"`
	Milli string `json:"milli,omitempty"`
	// The exact number.
	Number string `json:"number,omitempty"`
	Error  string `json:"error,omitempty"`
}

func judge(asked question) answer {
	var quantity resource.Quantity
	switch {
	case asked.Nanocores != nil:
		quantity = *resource.NewScaledQuantity(*asked.Nanocores, -9)
	case asked.Bytes != nil:
		quantity = *resource.NewScaledQuantity(*asked.Bytes, 0)
		quantity.Format = resource.BinarySI
	default:
		parsed, err := resource.ParseQuantity(*asked.Text)
		if err != nil {
			return answer{Error: err.Error()}
		}
		quantity = parsed
	}
	// Each on its own copy: AsDec changes what it is called on.
	text, milli, number := quantity.DeepCopy(), quantity.DeepCopy(), quantity.DeepCopy()
	return answer{Text: text.String(), Milli: fmt.Sprint(milli.MilliValue()), Number: number.AsDec().String()}
}

func run() error {
	lines := bufio.NewScanner(os.Stdin)
	out := json.NewEncoder(os.Stdout)
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
		fmt.Fprintln(os.Stderr, "quantities:", err)
		os.Exit(1)
	}
}
