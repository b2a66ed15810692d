// Command fleet is a cluster without machines: kubelets that count as real ones do, each on a loopback address of its
// own with a certificate of its own, and the API server that knows them. Any metrics server can be pointed at it.
//
// It writes what a metrics server and its clients need into a folder, says `ready` on standard output once it listens,
// and ends when its standard input does, so that it never outlives whoever started it.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"
)

type settings struct {
	folder    string
	nodes     int
	pods      int
	in        int
	mix       string
	tokens    string
	port      int
	objects   string
	gzipLevel int
	report    time.Duration
}

func read() settings {
	var s settings
	flag.StringVar(&s.folder, "folder", "", "where certificates and kubeconfigs are written")
	flag.IntVar(&s.nodes, "nodes", 4, "how many kubelets")
	flag.IntVar(&s.pods, "pods", 70, "pods on each")
	flag.IntVar(&s.in, "containers", 2, "containers in each pod")
	flag.StringVar(&s.mix, "mix", "", "percentages of kinds of nodes, as repeated=10,idle=10,churning=5,stalled=5; the rest is plain")
	flag.StringVar(&s.tokens, "tokens", "one", "accounts that may ask, separated by commas; each gets kubeconfig-NAME")
	flag.IntVar(&s.port, "port", 10250, "of every kubelet")
	flag.StringVar(&s.objects, "objects", "", "file with a JSON object: what else the API server answers, by path")
	flag.IntVar(&s.gzipLevel, "gzip-level", -1, "of pages; -1 is the default, which kubelets use")
	flag.DurationVar(&s.report, "report", 5*time.Minute, "how often a Node's status changes, as nodeStatusReportFrequency")
	flag.Parse()
	return s
}

func run(s settings) error {
	authority, err := newAuthority("kubernetes")
	if err != nil {
		return err
	}
	proxy, err := newAuthority("front-proxy-ca")
	if err != nil {
		return err
	}
	kinds, err := kindsOf(s.mix, s.nodes)
	if err != nil {
		return err
	}
	accounts := strings.Split(s.tokens, ",")
	counts := newCounts(accounts, s.nodes)
	cluster := newCluster(authority, proxy)
	if err := cluster.readObjects(s.objects); err != nil {
		return err
	}
	for number, kind := range kinds {
		node := newKubelet(number, kind, s, counts, cluster)
		if err := node.listen(authority); err != nil {
			return err
		}
	}
	url, err := cluster.listen(authority, counts)
	if err != nil {
		return err
	}
	if err := writeFolder(s.folder, url, accounts, authority, proxy); err != nil {
		return err
	}
	go cluster.reportNodes(s.report)
	fmt.Println("ready", url)
	_, _ = io.Copy(io.Discard, bufio.NewReader(os.Stdin))
	return nil
}

func main() {
	log.SetFlags(0)
	if err := run(read()); err != nil {
		log.Fatal("fleet: ", err)
	}
}
