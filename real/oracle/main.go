// Oracle says what Go reads in certificates, signing requests and PEM files, and what it makes of them.
//
// It is the judge of kubevouch's own reader and verifier: the signer, the kubelet and metrics-server are Go programs.
// Standard library only.
//
//	oracle judge CASES ANSWERS   for each *.jsonl in CASES write Go's answers to a *.go.jsonl in ANSWERS
//	oracle pair CHAIN KEY        does tls.LoadX509KeyPair take the two files?
//	oracle requests              answer each signing request on standard input at once
//	oracle rows                  dates, issuer and fingerprint of each certificate on standard input
package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// The kinds of case. Certificates come first: the others refer to them by id.
var judges = []struct {
	name  string
	judge func(*world, []byte) (any, error)
}{
	{"certificates", judgeCertificate},
	{"verify", judgeVerify},
	{"requests", judgeRequest},
	{"bundles", judgeBundle},
}

// world is what earlier lines have defined: the DER of each certificate.
type world struct {
	certificates map[string][]byte
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "judge":
		w := &world{certificates: map[string][]byte{}}
		for _, j := range judges {
			in := filepath.Join(args[1], j.name+".jsonl")
			out := filepath.Join(args[2], j.name+".go.jsonl")
			if err := judgeFile(w, in, out, j.judge); err != nil {
				return fmt.Errorf("%s: %w", in, err)
			}
		}
		return nil
	case len(args) == 3 && args[0] == "pair":
		_, err := tls.LoadX509KeyPair(args[1], args[2])
		return err
	case len(args) == 1 && args[0] == "requests":
		return judgeLines(&world{}, os.Stdin, os.Stdout, judgeRequest)
	case len(args) == 1 && args[0] == "rows":
		return judgeLines(&world{}, os.Stdin, os.Stdout, judgeRow)
	}
	return fmt.Errorf("usage: oracle judge CASES ANSWERS | oracle pair CHAIN KEY | oracle requests | oracle rows")
}

// judgeFile answers each line of a file of cases with one line.
func judgeFile(w *world, in, out string, judge func(*world, []byte) (any, error)) error {
	source, err := os.Open(in)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.Create(out)
	if err != nil {
		return err
	}
	defer target.Close()
	buffer := bufio.NewWriter(target)
	if err := judgeLines(w, source, buffer, judge); err != nil {
		return err
	}
	return buffer.Flush()
}

// judgeLines answers each line with one line.
func judgeLines(w *world, source io.Reader, target io.Writer, judge func(*world, []byte) (any, error)) error {
	encoder := json.NewEncoder(target)
	encoder.SetEscapeHTML(false)
	lines := bufio.NewScanner(source)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		answer, err := judge(w, lines.Bytes())
		if err != nil {
			return err
		}
		if err := encoder.Encode(answer); err != nil {
			return err
		}
	}
	return lines.Err()
}
