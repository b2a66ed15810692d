package main

import (
	"compress/gzip"
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The kinds of nodes.
const (
	plain    = "plain"
	repeated = "repeated" // its usage is measured so seldom that most pages repeat the last timestamps
	idle     = "idle"     // its containers use no CPU: counters stand still, timestamps go on
	churning = "churning" // every 15 s one of its pods is replaced
	stalled  = "stalled"  // takes connections and says nothing
)

const (
	piece        = 4096 // as expfmt's buffered writer hands them to the HTTP server
	housekeeping = 10 * time.Second
	seldom       = 40 * time.Second
	churn        = 15 * time.Second
)

// kindsOf spreads the kinds evenly over the nodes.
func kindsOf(mix string, nodes int) ([]string, error) {
	hundred := make([]string, 0, 100)
	if mix != "" {
		for _, part := range strings.Split(mix, ",") {
			kind, text, _ := strings.Cut(part, "=")
			share, err := strconv.Atoi(text)
			if err != nil || share < 0 {
				return nil, fmt.Errorf("-mix %s: KIND=PERCENT was expected", part)
			}
			switch kind {
			case plain, repeated, idle, churning, stalled:
			default:
				return nil, fmt.Errorf("-mix %s: no such kind", kind)
			}
			for range share {
				hundred = append(hundred, kind)
			}
		}
	}
	if len(hundred) > 100 {
		return nil, fmt.Errorf("-mix %s: more than 100 percent", mix)
	}
	for len(hundred) < 100 {
		hundred = append(hundred, plain)
	}
	kinds := make([]string, nodes)
	for number := range kinds {
		kinds[number] = hundred[number*37%100]
	}
	return kinds, nil
}

// kubelet is one node: its Node, its pods, and what port 10250 says of them.
type kubelet struct {
	number    int
	name      string
	kind      string
	address   net.IP
	settings  settings
	counts    *counts
	cluster   *cluster
	began     time.Time
	mu        sync.Mutex
	pods      []*object
	nextPod   int
	nextGoing int
}

func newKubelet(number int, kind string, s settings, counts *counts, cluster *cluster) *kubelet {
	address := make(net.IP, 4)
	binary.BigEndian.PutUint32(address, 127<<24|80<<16+uint32(number)+1)
	k := &kubelet{
		number: number, name: fmt.Sprintf("node-%05d.example.com", number), kind: kind, address: address,
		settings: s, counts: counts, cluster: cluster, began: time.Now().Add(-time.Hour),
	}
	cluster.nodes.put(newNode(k))
	for range s.pods {
		k.addPod()
	}
	return k
}

func (k *kubelet) addPod() {
	pod := newPod(k, k.nextPod)
	k.nextPod++
	k.pods = append(k.pods, pod)
	k.cluster.pods.put(pod)
}

// listen serves until the process ends.
func (k *kubelet) listen(authority *authority) error {
	subject := pkix.Name{CommonName: "system:node:" + k.name, Organization: []string{"system:nodes"}}
	config, err := authority.serving(subject, []string{k.name}, []net.IP{k.address})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp4", net.JoinHostPort(k.address.String(), strconv.Itoa(k.settings.port)))
	if err != nil {
		return err
	}
	switch k.kind {
	case stalled:
		go stall(listener)
		return nil
	case churning:
		go k.churn()
	}
	server := &http.Server{Handler: k, TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0)}
	config.NextProtos = []string{"h2", "http/1.1"}
	go func() { log.Fatal(server.Serve(tls.NewListener(listener, config))) }()
	return nil
}

// stall takes connections and never says a word.
func stall(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			_, _ = io.Copy(io.Discard, connection)
			_ = connection.Close()
		}()
	}
}

func (k *kubelet) churn() {
	for range time.Tick(churn) {
		k.mu.Lock()
		going := k.nextGoing % len(k.pods)
		k.nextGoing++
		k.cluster.pods.remove(k.pods[going])
		k.pods = append(k.pods[:going:going], k.pods[going+1:]...)
		k.addPod()
		k.mu.Unlock()
	}
}

// pages are written as promhttp writes them: in pieces, compressed where that is accepted.
func (k *kubelet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	account, known := k.counts.account(r)
	if !known {
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return
	}
	if r.URL.Path != "/metrics/resource" {
		http.NotFound(w, r)
		return
	}
	text := pages.Get().(*[]byte)
	defer pages.Put(text)
	k.mu.Lock()
	*text = k.page((*text)[:0], time.Now())
	k.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8; escaping=values")
	var out io.Writer = w
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		packed, err := gzip.NewWriterLevel(w, k.settings.gzipLevel)
		if err != nil {
			panic(err) // the level was refused
		}
		defer packed.Close()
		out = packed
		account.packed.Add(1)
	}
	for rest := *text; len(rest) > 0; {
		next := rest[:min(piece, len(rest))]
		if _, err := out.Write(next); err != nil {
			return
		}
		rest = rest[len(next):]
	}
	account.served(k.number)
}

var pages = sync.Pool{New: func() any { return new([]byte) }}
