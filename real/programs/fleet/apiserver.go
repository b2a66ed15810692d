package main

import (
	"compress/gzip"
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	frontProxy = "front-proxy-client"
	bookmarks  = time.Minute
	admin      = "admin" // may everything; the token of the same name is this user's
	watchFor   = 30 * time.Minute
	initialEnd = `"annotations":{"k8s.io/initial-events-end":"true"},`
)

// cluster is what the API server knows.
type cluster struct {
	nodes, pods *collection
	trust       []byte                     // the ConfigMap that says whom extension API servers trust
	roots       []byte                     // the ConfigMap that says whom pods trust
	others      map[string]json.RawMessage // whatever else a client needs, by path
}

func newCluster(authority, proxy *authority) *cluster {
	trust := configMap("extension-apiserver-authentication", map[string]string{
		"client-ca-file": string(authority.pem), "requestheader-client-ca-file": string(proxy.pem),
		"requestheader-allowed-names":        `["` + frontProxy + `"]`,
		"requestheader-extra-headers-prefix": `["X-Remote-Extra-"]`,
		"requestheader-group-headers":        `["X-Remote-Group"]`,
		"requestheader-username-headers":     `["X-Remote-User"]`,
	})
	roots := configMap("kube-root-ca.crt", map[string]string{"ca.crt": string(authority.pem)})
	return &cluster{newCollection(), newCollection(), trust, roots, nil}
}

// readObjects reads what the API server answers besides; nothing where no file is named.
func (c *cluster) readObjects(file string) error {
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, &c.others)
}

func configMap(name string, data map[string]string) []byte {
	made, err := json.Marshal(map[string]any{
		"kind": "ConfigMap", "apiVersion": "v1",
		"metadata": map[string]string{
			"name": name, "namespace": "kube-system", "uid": newUID(), "resourceVersion": "28",
			"creationTimestamp": rfc3339(time.Now()),
		},
		"data": data,
	})
	if err != nil {
		panic(err) // never: texts only
	}
	return made
}

// listen serves until the process ends; it returns the server's URL.
func (c *cluster) listen(authority *authority, counts *counts) (string, error) {
	local := net.IPv4(127, 0, 0, 1)
	config, err := authority.serving(pkix.Name{CommonName: "kube-apiserver"}, []string{"localhost", "kubernetes.default.svc"}, []net.IP{local})
	if err != nil {
		return "", err
	}
	config.NextProtos = []string{"h2", "http/1.1"}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: c.routes(counts), TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { log.Fatal(server.Serve(tls.NewListener(listener, config))) }()
	return "https://" + listener.Addr().String(), nil
}

func (c *cluster) routes(counts *counts) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/nodes", func(w http.ResponseWriter, r *http.Request) { serve(w, r, c.nodes, "Node", "") })
	mux.HandleFunc("GET /api/v1/pods", func(w http.ResponseWriter, r *http.Request) { serve(w, r, c.pods, "Pod", "") })
	mux.HandleFunc("GET /api/v1/namespaces/{namespace}/pods", func(w http.ResponseWriter, r *http.Request) {
		serve(w, r, c.pods, "Pod", r.PathValue("namespace"))
	})
	const configMaps = "GET /api/v1/namespaces/kube-system/configmaps"
	mux.HandleFunc(configMaps, c.configMaps)
	mux.HandleFunc(configMaps+"/extension-apiserver-authentication", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, c.trust)
	})
	mux.HandleFunc(configMaps+"/kube-root-ca.crt", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, c.roots)
	})
	mux.HandleFunc("POST /apis/authentication.k8s.io/v1/tokenreviews", tokenReview.answer)
	mux.HandleFunc("POST /apis/authorization.k8s.io/v1/subjectaccessreviews", accessReview.answer)
	mux.HandleFunc("POST /api/v1/namespaces/{namespace}/events", posted)
	mux.HandleFunc("POST /apis/events.k8s.io/v1/namespaces/{namespace}/events", posted)
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, []byte(`{"major":"1","minor":"36","gitVersion":"v1.36.3"}`))
	})
	mux.HandleFunc("GET /fleet", counts.tell)
	for path, body := range c.others {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, body) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "NotFound", "the server could not find the requested resource")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, known := counts.account(r); !known {
			refuse(w, http.StatusUnauthorized, "Unauthorized", "Unauthorized")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, code int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(body)
}

func refuse(w http.ResponseWriter, code int, reason, message string) {
	answer(w, code, fmt.Appendf(nil, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":%q,"reason":%q,"code":%d}`, message, reason, code))
}

// posted answers a POST of JSON with the object that was sent.
func posted(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil || !json.Valid(body) {
		refuse(w, http.StatusUnsupportedMediaType, "UnsupportedMediaType", "the body is not JSON")
		return
	}
	answer(w, http.StatusCreated, body)
}

// configMaps lists or watches the one ConfigMap that there is.
func (c *cluster) configMaps(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("watch") == "" {
		answer(w, http.StatusOK, fmt.Appendf(nil, `{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"1000"},"items":[%s]}`, c.trust))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		fmt.Fprintf(w, "{\"type\":\"ADDED\",\"object\":%s}\n", c.trust)
		fmt.Fprintf(w, "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{%s\"resourceVersion\":\"1000\"}}}\n", initialEnd)
	}
	flush(w)
	<-ended(r)
}

// ended tells when a watch is over: its client is gone, or the time is up that it asked for.
func ended(r *http.Request) <-chan time.Time {
	seconds, err := strconv.Atoi(r.URL.Query().Get("timeoutSeconds"))
	length := time.Duration(seconds) * time.Second
	if err != nil {
		length = watchFor
	}
	over := make(chan time.Time, 1)
	timer := time.AfterFunc(length, func() { over <- time.Now() })
	go func() {
		<-r.Context().Done()
		timer.Stop()
		select {
		case over <- time.Now():
		default:
		}
	}()
	return over
}

func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

// form is how an object is told: whole, its metadata only, or as a Table's row.
type form int

const (
	whole form = iota
	partial
	table
)

// formOf is the first that the client accepts and that is JSON.
func formOf(r *http.Request) form {
	for each := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		if !strings.Contains(each, "application/json") {
			continue
		}
		switch {
		case strings.Contains(each, "as=PartialObjectMetadata"):
			return partial
		case strings.Contains(each, "as=Table"):
			return table
		}
		return whole
	}
	return whole
}

// anyValue is what a label is compared with that only has to be there.
const anyValue = "\x00"

// selected is whether the object is asked for. Selectors: labels that are equal or there, and metadata.name; every pod runs.
func selected(o *object, namespace string, labels, fields map[string]string) bool {
	if namespace != "" && o.namespace != namespace {
		return false
	}
	for name, value := range labels {
		if held, has := o.labels[name]; !has || (value != anyValue && held != value) {
			return false
		}
	}
	name, asked := fields["metadata.name"]
	return !asked || o.name == name
}

func equalities(selector string) map[string]string {
	found := map[string]string{}
	for part := range strings.SplitSeq(selector, ",") {
		name, value, is := strings.Cut(strings.ReplaceAll(part, "==", "="), "=")
		switch {
		case is && name != "status.phase":
			found[name] = value
		case !is && name != "" && !strings.ContainsAny(name, " ()!"):
			found[name] = anyValue
		}
	}
	return found
}

// serve lists or watches nodes or pods.
func serve(w http.ResponseWriter, r *http.Request, c *collection, kind, namespace string) {
	query := r.URL.Query()
	labels, fields := equalities(query.Get("labelSelector")), equalities(query.Get("fieldSelector"))
	wanted := func(o *object) bool { return selected(o, namespace, labels, fields) }
	if text := query.Get("watch"); text == "1" || text == "true" {
		watch(w, r, c, kind, wanted)
		return
	}
	all, version := c.all()
	if token := query.Get("continue"); token != "" {
		after, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			refuse(w, http.StatusBadRequest, "BadRequest", "continue key is not valid")
			return
		}
		first, _ := slices.BinarySearchFunc(all, string(after), func(o *object, key string) int { return strings.Compare(o.key(), key+"\x00") })
		all = all[first:]
	}
	limit, _ := strconv.Atoi(query.Get("limit"))
	list(w, r, all, listing{kind, version, limit, wanted, query.Get("includeObject") == "None"})
}

type listing struct {
	kind    string
	version uint64
	limit   int
	wanted  func(*object) bool
	bare    bool // a Table's rows without objects
}

// heads begin a list, by its form.
var heads = map[form]string{
	whole:   `{"kind":"%sList","apiVersion":"v1",`,
	partial: `{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1",`,
	table:   `{"kind":"Table","apiVersion":"meta.k8s.io/v1",`,
}

func list(w http.ResponseWriter, r *http.Request, all []*object, l listing) {
	var chosen []*object
	token := ""
	for _, o := range all {
		if !l.wanted(o) {
			continue
		}
		if l.limit > 0 && len(chosen) == l.limit {
			token = fmt.Sprintf(`,"continue":%q`, base64.RawURLEncoding.EncodeToString([]byte(chosen[l.limit-1].key())))
			break
		}
		chosen = append(chosen, o)
	}
	f := formOf(r)
	w.Header().Set("Content-Type", "application/json")
	var out io.Writer = w
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && len(chosen) > 100 {
		// As kube-apiserver does with answers over 128 KiB, at its level.
		w.Header().Set("Content-Encoding", "gzip")
		packed, err := gzip.NewWriterLevel(w, 1)
		if err != nil {
			panic(err) // never: the level is valid
		}
		defer packed.Close()
		out = packed
	}
	head, items := heads[f], "items"
	if f == whole {
		head = fmt.Sprintf(head, l.kind)
	}
	b := fmt.Appendf(nil, `%s"metadata":{"resourceVersion":"%d"%s},`, head, l.version, token)
	if f == table {
		b, items = fmt.Appendf(b, `"columnDefinitions":%s,`, definitions(l.kind)), "rows"
	}
	b = fmt.Appendf(b, `"%s":[`, items)
	for number, o := range chosen {
		if number > 0 {
			b = append(b, ',')
		}
		switch f {
		case table:
			b = o.row(b)
		case partial:
			b = o.partial(b)
		default:
			b = append(o.whole(append(b, '{')), '}')
		}
		if len(b) > 1<<16 {
			if _, err := out.Write(b); err != nil {
				return
			}
			b = b[:0]
		}
	}
	_, _ = out.Write(append(b, "]}"...))
}

func watch(w http.ResponseWriter, r *http.Request, c *collection, kind string, wanted func(*object) bool) {
	query, f := r.URL.Query(), formOf(r)
	version, _ := strconv.ParseUint(query.Get("resourceVersion"), 10, 64)
	w.Header().Set("Content-Type", "application/json")
	defined := false
	send := func(change string, o *object) {
		text := lineOf(change, o, f, !defined)
		defined = true
		_, _ = w.Write(text)
	}
	if query.Get("sendInitialEvents") == "true" || version == 0 {
		var all []*object
		all, version = c.all()
		for _, o := range all {
			if wanted(o) {
				send("ADDED", o)
			}
		}
		if query.Get("sendInitialEvents") == "true" {
			_, _ = w.Write(bookmark(kind, version, f, initialEnd))
		}
	}
	flush(w)
	over, marks := ended(r), time.NewTicker(bookmarks)
	defer marks.Stop()
	for {
		changes, news, remembered := c.since(version)
		if !remembered {
			fmt.Fprint(w, `{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version","reason":"Expired","code":410}}`+"\n")
			return
		}
		for _, each := range changes {
			version = each.object.version
			if wanted(each.object) {
				send(each.kind, each.object)
			}
		}
		if len(changes) > 0 {
			flush(w)
		}
		select {
		case <-over:
			return
		case <-marks.C:
			if query.Get("allowWatchBookmarks") == "true" {
				_, _ = w.Write(bookmark(kind, version, f, ""))
				flush(w)
			}
		case <-news:
		}
	}
}

// lineOf is an event. A watch of Tables tells the columns once.
func lineOf(change string, o *object, f form, first bool) []byte {
	b := fmt.Appendf(nil, `{"type":%q,"object":`, change)
	switch f {
	case partial:
		b = o.partial(b)
	case table:
		told := "null"
		if first {
			told = definitions(o.kind)
		}
		b = fmt.Appendf(b, `{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"%d"},"columnDefinitions":%s,"rows":[`, o.version, told)
		b = append(o.row(b), "]}"...)
	default:
		b = append(o.whole(fmt.Appendf(b, `{"kind":%q,"apiVersion":"v1",`, o.kind)), '}')
	}
	return append(b, "}\n"...)
}

func bookmark(kind string, version uint64, f form, annotations string) []byte {
	version_ := "v1"
	switch f {
	case partial:
		kind, version_ = "PartialObjectMetadata", "meta.k8s.io/v1"
	case table:
		kind, version_ = "Table", "meta.k8s.io/v1"
	}
	return fmt.Appendf(nil, `{"type":"BOOKMARK","object":{"kind":%q,"apiVersion":%q,"metadata":{%s"resourceVersion":"%d"}}}`+"\n", kind, version_, annotations, version)
}

// reportNodes changes each Node's status once in a while, as kubelets do whose node does not change.
func (c *cluster) reportNodes(every time.Duration) {
	for {
		all, _ := c.nodes.all()
		for _, node := range all {
			time.Sleep(every / time.Duration(len(all)))
			told := *node
			told.reported = time.Now()
			c.nodes.put(&told)
		}
	}
}
