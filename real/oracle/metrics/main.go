// Metrics says what metrics-server itself decodes from kubelets' pages, pairs and would serve.
//
// It is the judge of kubevouch.metrics: the pages go through metrics-server's own client and storage. One JSON line of
// a case in: pages of one node in the order of its scrapes, null for one that failed. One of answers out.
//
// metrics-server would store an empty batch for a scrape that failed, and so forget the node. Here nothing is stored
// then: kubevouch keeps the rows of the scrape before, as if there had been none since.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apitypes "k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"sigs.k8s.io/metrics-server/pkg/scraper/client"
	"sigs.k8s.io/metrics-server/pkg/scraper/client/resource"
	"sigs.k8s.io/metrics-server/pkg/storage"
)

const name = "n1"

type question struct {
	Case       string    `json:"case"`
	Resolution int       `json:"resolution"`
	Pages      []*string `json:"pages"`
	// Every pod of the pages, as namespace/name.
	Pods []string `json:"pods"`
}

type usage struct {
	Timestamp int64  `json:"timestamp_ns"`
	Window    int64  `json:"window_ns"`
	CPU       string `json:"cpu,omitempty"`
	Memory    string `json:"memory,omitempty"`
	// name, cpu, memory
	Containers [][3]string `json:"containers,omitempty"`
}

type moment struct {
	Failed bool             `json:"failed,omitempty"`
	Node   *usage           `json:"node,omitempty"`
	Pods   map[string]usage `json:"pods,omitempty"`
}

// kubelet serves the page that is to be scraped next.
type kubelet struct{ page string }

func (k *kubelet) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	fmt.Fprint(w, k.page)
}

func judge(asked question) ([]moment, error) {
	served := &kubelet{}
	server := httptest.NewServer(served)
	defer server.Close()
	at, err := url.Parse(server.URL)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		return nil, err
	}
	getter, err := resource.NewForConfig(&client.KubeletClientConfig{
		Client:              rest.Config{},
		AddressTypePriority: []corev1.NodeAddressType{corev1.NodeInternalIP},
		Scheme:              "http",
		DefaultPort:         port,
	})
	if err != nil {
		return nil, err
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: at.Hostname()}}
	store := storage.NewStorage(time.Duration(asked.Resolution) * time.Second)
	var moments []moment
	for _, page := range asked.Pages {
		told := moment{}
		if page != nil {
			served.page = *page
			batch, err := getter.GetMetrics(context.Background(), node)
			if err == nil {
				store.Store(batch)
			}
			told.Failed = err != nil
		}
		if err := told.fill(store, node, asked.Pods); err != nil {
			return nil, err
		}
		moments = append(moments, told)
	}
	return moments, nil
}

func (m *moment) fill(store storage.Storage, node *corev1.Node, pods []string) error {
	nodes, err := store.GetNodeMetrics(node)
	if err != nil {
		return err
	}
	for _, found := range nodes {
		m.Node = &usage{
			Timestamp: found.Timestamp.UnixNano(), Window: int64(found.Window.Duration),
			CPU: found.Usage.Cpu().String(), Memory: found.Usage.Memory().String(),
		}
	}
	m.Pods = map[string]usage{}
	for _, key := range pods {
		namespace, pod, _ := strings.Cut(key, "/")
		wanted := apitypes.NamespacedName{Namespace: namespace, Name: pod}
		found, err := store.GetPodMetrics(&metav1.PartialObjectMetadata{
			ObjectMeta: metav1.ObjectMeta{Namespace: wanted.Namespace, Name: wanted.Name},
		})
		if err != nil {
			return err
		}
		for _, one := range found {
			told := usage{Window: int64(one.Window.Duration)}
			if !one.Timestamp.IsZero() {
				told.Timestamp = one.Timestamp.UnixNano()
			}
			for _, container := range one.Containers {
				told.Containers = append(told.Containers, [3]string{
					container.Name, container.Usage.Cpu().String(), container.Usage.Memory().String(),
				})
			}
			sort.Slice(told.Containers, func(i, j int) bool { return told.Containers[i][0] < told.Containers[j][0] })
			m.Pods[key] = told
		}
	}
	return nil
}

func run() error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			return err
		}
		moments, err := judge(asked)
		if err != nil {
			return fmt.Errorf("%s: %w", asked.Case, err)
		}
		if err := out.Encode(moments); err != nil {
			return err
		}
	}
	return lines.Err()
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "metrics:", err)
		os.Exit(1)
	}
}
