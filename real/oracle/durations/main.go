// Durations says how apimachinery writes a number of seconds: it is the judge of the residual times of certificates.
//
// One number a line in, one text a line out, as JSON.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"
)

func run() error {
	lines := bufio.NewScanner(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	// "<invalid>" as it is.
	out.SetEscapeHTML(false)
	for lines.Scan() {
		var seconds int64
		if err := json.Unmarshal(lines.Bytes(), &seconds); err != nil {
			return err
		}
		// As kubeadm does it (cmd/kubeadm/app/cmd/certs.go).
		if err := out.Encode(duration.HumanDuration(time.Duration(seconds) * time.Second)); err != nil {
			return err
		}
	}
	return lines.Err()
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "durations:", err)
		os.Exit(1)
	}
}
