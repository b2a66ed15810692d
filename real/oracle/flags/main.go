// flags prints what metrics-server makes of command lines: one JSON array of words on each line of standard input, one
// JSON object on each line of standard output. The flags are those of its own command. `flags help` prints its --help.
package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"

	"github.com/spf13/pflag"
	logsapi "k8s.io/component-base/logs/api/v1"
	"sigs.k8s.io/metrics-server/cmd/metrics-server/app"
	"sigs.k8s.io/metrics-server/cmd/metrics-server/app/options"
)

// answer has the values of the flags that a line sets, the words that belong to no flag, and what is wrong: with the
// line (error), or with the values (invalid: the first is what the program ends with).
type answer struct {
	Set     map[string]string `json:"set,omitempty"`
	Words   []string          `json:"words,omitempty"`
	Error   string            `json:"error,omitempty"`
	Invalid []string          `json:"invalid,omitempty"`
}

func judged(words []string) answer {
	command := app.NewMetricsServerCommand(nil)
	command.SetOut(io.Discard)
	command.SetErr(io.Discard)
	if err := command.ParseFlags(words); err != nil {
		return answer{Error: err.Error()}
	}
	found := answer{Set: map[string]string{}, Words: command.Flags().Args()}
	command.Flags().Visit(func(flag *pflag.Flag) { found.Set[flag.Name] = flag.Value.String() })
	given := options.NewOptions()
	flags := pflag.NewFlagSet("metrics-server", pflag.ContinueOnError)
	named := given.Flags()
	for _, set := range named.FlagSets {
		flags.AddFlagSet(set)
	}
	flags.ParseErrorsAllowlist.UnknownFlags = true
	if err := flags.Parse(words); err != nil {
		return found
	}
	if err := logsapi.ResetForTest(nil); err != nil {
		panic(err)
	}
	for _, err := range given.Validate() {
		found.Invalid = append(found.Invalid, err.Error())
	}
	return found
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "help" {
		if err := app.NewMetricsServerCommand(nil).Help(); err != nil {
			panic(err)
		}
		return
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	answers := json.NewEncoder(os.Stdout)
	answers.SetEscapeHTML(false)
	for lines.Scan() {
		var words []string
		if err := json.Unmarshal(lines.Bytes(), &words); err != nil {
			panic(err)
		}
		if err := answers.Encode(judged(words)); err != nil {
			panic(err)
		}
	}
}
