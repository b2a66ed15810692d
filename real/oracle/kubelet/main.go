// Kubelet says what a real kubelet 1.36.3 makes of its configuration file, its drop-in files and its flags.
//
// Reads JSON lines {"name", "config", "drop_ins": {path: content}, "args": [...]} (contents in base64; "config" may be
// null) and answers each with a line {"name", "error", "warning", "configuration"}. The steps are those of
// NewKubeletCommand and mergeKubeletConfigurations in cmd/kubelet/app/server.go, which are not exported; everything
// below them is the kubelet's own code.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/spf13/pflag"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/component-base/cli/flag"
	"k8s.io/klog/v2"
	kubeletv1beta1 "k8s.io/kubelet/config/v1beta1"
	"k8s.io/kubernetes/cmd/kubelet/app/options"
	"k8s.io/kubernetes/pkg/kubelet/apis/config"
	"k8s.io/kubernetes/pkg/kubelet/apis/config/v1beta1"
	"k8s.io/kubernetes/pkg/kubelet/kubeletconfig/configfiles"
	utilfs "k8s.io/kubernetes/pkg/util/filesystem"
)

type question struct {
	Name    string            `json:"name"`
	Config  *[]byte           `json:"config"`
	DropIns map[string][]byte `json:"drop_ins"`
	Args    []string          `json:"args"`
}

type answer struct {
	Name          string          `json:"name"`
	Error         string          `json:"error,omitempty"`
	Warning       string          `json:"warning,omitempty"`
	CertDir       string          `json:"cert_dir,omitempty"`
	Hostname      string          `json:"hostname_override,omitempty"`
	NodeIP        string          `json:"node_ip,omitempty"`
	Configuration json.RawMessage `json:"configuration,omitempty"`
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "flags" {
		printFlags()
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "keys" {
		printKeys(reflect.TypeOf(kubeletv1beta1.KubeletConfiguration{}), "")
		return
	}
	var log strings.Builder
	klog.LogToStderr(false)
	klog.SetOutput(&log)
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 4<<20)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for in.Scan() {
		var q question
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			panic(err)
		}
		log.Reset()
		a, err := survived(q)
		a.Name = q.Name
		if err != nil {
			a.Error = err.Error()
		}
		klog.Flush()
		if text := log.String(); strings.Contains(text, "lenient decoding") {
			a.Warning = text[strings.Index(text, "Using lenient"):]
		}
		if err := out.Encode(a); err != nil {
			panic(err)
		}
	}
}

// survived turns a panic into an answer: a kubelet that panics does not start either.
func survived(q question) (a answer, err error) {
	defer func() {
		if said := recover(); said != nil {
			err = fmt.Errorf("panic: %v", said)
		}
	}()
	return asked(q)
}

// asked runs the steps in a folder of its own, which is written FOLDER in what comes out.
func asked(q question) (answer, error) {
	folder, err := os.MkdirTemp("", "kubelet-oracle")
	if err != nil {
		return answer{}, err
	}
	defer os.RemoveAll(folder)
	if q.Config != nil {
		if err := os.WriteFile(filepath.Join(folder, "config.yaml"), *q.Config, 0o600); err != nil {
			return answer{}, err
		}
		q.Args = append([]string{"--config=" + filepath.Join(folder, "config.yaml")}, q.Args...)
	}
	for path, content := range q.DropIns {
		whole := filepath.Join(folder, "drop-ins", path)
		if err := os.MkdirAll(filepath.Dir(whole), 0o700); err != nil {
			return answer{}, err
		}
		if err := os.WriteFile(whole, content, 0o600); err != nil {
			return answer{}, err
		}
	}
	if q.DropIns != nil {
		q.Args = append([]string{"--config-dir=" + filepath.Join(folder, "drop-ins")}, q.Args...)
	}
	a, err := effective(q.Args)
	if err != nil {
		return a, errors.New(strings.ReplaceAll(err.Error(), folder, "FOLDER"))
	}
	a.Configuration = json.RawMessage(strings.ReplaceAll(string(a.Configuration), folder, "FOLDER"))
	return a, nil
}

func flagSet(kf *options.KubeletFlags, kc *config.KubeletConfiguration) *pflag.FlagSet {
	set := pflag.NewFlagSet("kubelet", pflag.ContinueOnError)
	set.SetNormalizeFunc(flag.WordSepNormalizeFunc)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	kf.AddFlags(set)
	options.AddKubeletConfigFlags(set, kc)
	options.AddGlobalFlags(set)
	set.BoolP("help", "h", false, "")
	return set
}

func effective(args []string) (answer, error) {
	kf := options.NewKubeletFlags()
	kc, err := options.NewKubeletConfiguration()
	if err != nil {
		return answer{}, err
	}
	set := flagSet(kf, kc)
	if err := set.Parse(args); err != nil {
		return answer{}, fmt.Errorf("failed to parse kubelet flag: %w", err)
	}
	if rest := set.Args(); len(rest) > 0 {
		return answer{}, fmt.Errorf("unknown command %+s", rest[0])
	}
	if kf.KubeletConfigFile != "" {
		loader, err := configfiles.NewFsLoader(&utilfs.DefaultFs{}, kf.KubeletConfigFile)
		if err != nil {
			return answer{}, err
		}
		if kc, err = loader.Load(context.Background()); err != nil {
			return answer{}, err
		}
	}
	if kf.KubeletDropinConfigDirectory != "" {
		if err := merge(kc, kf.KubeletDropinConfigDirectory); err != nil {
			return answer{}, err
		}
	}
	if kf.KubeletConfigFile != "" || kf.KubeletDropinConfigDirectory != "" {
		original := kc.FeatureGates
		if err := flagSet(options.NewKubeletFlags(), kc).Parse(args); err != nil {
			return answer{}, err
		}
		for k, v := range original {
			if _, ok := kc.FeatureGates[k]; !ok {
				kc.FeatureGates[k] = v
			}
		}
	}
	versioned := &kubeletv1beta1.KubeletConfiguration{}
	if err := v1beta1.Convert_config_KubeletConfiguration_To_v1beta1_KubeletConfiguration(kc, versioned, nil); err != nil {
		return answer{}, err
	}
	whole, err := json.Marshal(versioned)
	return answer{CertDir: kf.CertDirectory, Hostname: kf.HostnameOverride, NodeIP: kf.NodeIP, Configuration: whole}, err
}

func merge(kc *config.KubeletConfiguration, folder string) error {
	versioned := &kubeletv1beta1.KubeletConfiguration{}
	if err := v1beta1.Convert_config_KubeletConfiguration_To_v1beta1_KubeletConfiguration(kc, versioned, nil); err != nil {
		return err
	}
	base, err := json.Marshal(versioned)
	if err != nil {
		return err
	}
	err = filepath.WalkDir(folder, func(path string, info fs.DirEntry, err error) error {
		if err != nil || info.IsDir() || filepath.Ext(info.Name()) != ".conf" {
			return err
		}
		loader, err := configfiles.NewFsLoader(&utilfs.DefaultFs{}, path)
		if err != nil {
			return err
		}
		patch, gvk, err := loader.LoadIntoJSON()
		if err != nil {
			return fmt.Errorf("failed to load kubelet dropin file, path: %s, error: %w", path, err)
		}
		if gvk == nil || gvk.Empty() {
			return fmt.Errorf("failed to load kubelet dropin file, path: %s, no apiVersion/kind", path)
		}
		if *gvk != kubeletv1beta1.SchemeGroupVersion.WithKind("KubeletConfiguration") {
			return fmt.Errorf("failed to load kubelet dropin file, path: %s, unknown apiVersion/kind: %v", path, gvk.String())
		}
		base, err = jsonpatch.MergePatch(base, patch)
		return err
	})
	if err != nil {
		return err
	}
	versioned = &kubeletv1beta1.KubeletConfiguration{}
	if err := json.Unmarshal(base, versioned); err != nil {
		return err
	}
	v1beta1.SetDefaults_KubeletConfiguration(versioned)
	return v1beta1.Convert_v1beta1_KubeletConfiguration_To_config_KubeletConfiguration(versioned, kc, nil)
}

// printKeys lists every key of the configuration file, dotted; what lies in lists and free maps is left out.
func printKeys(t reflect.Type, prefix string) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		under := field.Type
		if under.Kind() == reflect.Pointer {
			under = under.Elem()
		}
		switch {
		case name == "":
			printKeys(under, prefix)
		case under.Kind() == reflect.Struct && !under.Implements(reflect.TypeFor[fmt.Stringer]()) &&
			!reflect.PointerTo(under).Implements(reflect.TypeFor[json.Unmarshaler]()):
			fmt.Println(prefix + name)
			printKeys(under, prefix+name+".")
		default:
			fmt.Println(prefix + name)
		}
	}
}

// printFlags lists every flag and whether it takes no value of its own ("bool").
func printFlags() {
	kc, err := options.NewKubeletConfiguration()
	if err != nil {
		panic(err)
	}
	flagSet(options.NewKubeletFlags(), kc).VisitAll(func(f *pflag.Flag) {
		fmt.Println(f.Name, f.Shorthand, f.Value.Type(), f.NoOptDefVal)
	})
}
