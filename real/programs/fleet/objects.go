package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// object is a Node or a Pod, as much of it as differs.
type object struct {
	kind            string // Node or Pod
	namespace, name string
	uid             string
	labels          map[string]string
	node            string // a pod's
	address         net.IP
	number, port    int // a Node's
	version         uint64
	created         time.Time
	reported        time.Time
}

var (
	containers = []string{"app", "sidecar", "exporter", "proxy"}
	uids       atomic.Uint64
)

const (
	namespaces = 50
	hash       = "647c6bbd5c"
	deployment = 25 // pods of one, on average
)

func newUID() string { return fmt.Sprintf("%08x-f282-4b9f-bc93-02131a51d376", uids.Add(1)) }

func newNode(k *kubelet) *object {
	return &object{
		kind: "Node", name: k.name, uid: newUID(), address: k.address, number: k.number, port: k.settings.port, created: k.began, reported: k.began,
		labels: map[string]string{
			"beta.kubernetes.io/arch": "amd64", "beta.kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
			"kubernetes.io/hostname": k.name, "kubernetes.io/os": "linux",
			"topology.kubernetes.io/zone": "zone-" + strconv.Itoa(k.number%3),
		},
	}
}

// newPod is the next pod of a node. Its workload's other pods run on other nodes.
func newPod(k *kubelet, number int) *object {
	workload := (k.number*k.settings.pods + number) * 7919 % max(1, k.settings.nodes*k.settings.pods/deployment)
	app := fmt.Sprintf("service-%05d", workload)
	created := time.Now()
	if number < k.settings.pods {
		created = k.began
	}
	return &object{
		kind: "Pod", namespace: fmt.Sprintf("team-%02d", workload%namespaces),
		name: fmt.Sprintf("%s-%s-%05x", app, hash, k.number*4096+number), uid: newUID(),
		labels:  map[string]string{"app": app, "app.kubernetes.io/part-of": "shop", "pod-template-hash": hash},
		node:    k.name,
		address: net.IPv4(10, byte(128+k.number>>8), byte(k.number), byte(2+number%250)), created: created, reported: created,
	}
}

func (o *object) key() string { return o.namespace + "/" + o.name }

func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// metadata is as the API server tells it, with who manages which field: most of what a watch of metadata costs.
func (o *object) metadata(b []byte) []byte {
	b = fmt.Appendf(b, `{"name":%q,`, o.name)
	if o.namespace != "" {
		b = fmt.Appendf(b, `"generateName":"%s-%s-","namespace":%q,`, o.labels["app"], hash, o.namespace)
	}
	b = fmt.Appendf(b, `"uid":%q,"resourceVersion":"%d",`, o.uid, o.version)
	if o.kind == "Pod" {
		b = append(b, `"generation":1,`...)
	}
	b = fmt.Appendf(b, `"creationTimestamp":%q,"labels":{`, rfc3339(o.created))
	for number, name := range sortedKeys(o.labels) {
		if number > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "%q:%q", name, o.labels[name])
	}
	b = append(b, '}')
	moment := rfc3339(o.created)
	if o.kind == "Node" {
		b = append(b, `,"annotations":{"node.alpha.kubernetes.io/ttl":"0","volumes.kubernetes.io/controller-managed-attach-detach":"true"}`...)
		return fmt.Appendf(b, managedNode, moment, moment, rfc3339(o.reported))
	}
	owner := o.uid[:8] + "-558f-4ba9-868e-31aa7d6937fd"
	b = fmt.Appendf(b, `,"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"%s-%s","uid":%q,"controller":true,"blockOwnerDeletion":true}]`, o.labels["app"], hash, owner)
	return fmt.Appendf(b, managedPod, moment, owner, moment, o.address)
}

const managedNode = `,"managedFields":[{"manager":"kubelet","operation":"Update","apiVersion":"v1","time":%q,"fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:annotations":{".":{},"f:volumes.kubernetes.io/controller-managed-attach-detach":{}},"f:labels":{".":{},"f:beta.kubernetes.io/arch":{},"f:beta.kubernetes.io/os":{},"f:kubernetes.io/arch":{},"f:kubernetes.io/hostname":{},"f:kubernetes.io/os":{}}}}},{"manager":"kube-controller-manager","operation":"Update","apiVersion":"v1","time":%q,"fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:annotations":{"f:node.alpha.kubernetes.io/ttl":{}}},"f:spec":{"f:podCIDR":{},"f:podCIDRs":{".":{},"v:\"10.244.1.0/24\"":{}}}}},{"manager":"kubelet","operation":"Update","apiVersion":"v1","time":%q,"fieldsType":"FieldsV1","fieldsV1":{"f:status":{"f:conditions":{"k:{\"type\":\"DiskPressure\"}":{"f:lastHeartbeatTime":{}},"k:{\"type\":\"MemoryPressure\"}":{"f:lastHeartbeatTime":{}},"k:{\"type\":\"PIDPressure\"}":{"f:lastHeartbeatTime":{}},"k:{\"type\":\"Ready\"}":{"f:lastHeartbeatTime":{},"f:lastTransitionTime":{},"f:message":{},"f:reason":{},"f:status":{}}},"f:images":{}}},"subresource":"status"}]}`

const managedPod = `,"managedFields":[{"manager":"kube-controller-manager","operation":"Update","apiVersion":"v1","time":%q,"fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:generateName":{},"f:labels":{".":{},"f:app":{},"f:app.kubernetes.io/part-of":{},"f:pod-template-hash":{}},"f:ownerReferences":{".":{},"k:{\"uid\":\"%s\"}":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"app\"}":{".":{},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:resources":{},"f:terminationMessagePath":{},"f:terminationMessagePolicy":{}},"k:{\"name\":\"sidecar\"}":{".":{},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:resources":{},"f:terminationMessagePath":{},"f:terminationMessagePolicy":{}}},"f:dnsPolicy":{},"f:enableServiceLinks":{},"f:restartPolicy":{},"f:schedulerName":{},"f:securityContext":{},"f:terminationGracePeriodSeconds":{}}}},{"manager":"kubelet","operation":"Update","apiVersion":"v1","time":%q,"fieldsType":"FieldsV1","fieldsV1":{"f:status":{"f:conditions":{"k:{\"type\":\"ContainersReady\"}":{".":{},"f:lastProbeTime":{},"f:lastTransitionTime":{},"f:status":{},"f:type":{}},"k:{\"type\":\"Initialized\"}":{".":{},"f:lastProbeTime":{},"f:lastTransitionTime":{},"f:status":{},"f:type":{}},"k:{\"type\":\"Ready\"}":{".":{},"f:lastProbeTime":{},"f:lastTransitionTime":{},"f:status":{},"f:type":{}}},"f:containerStatuses":{},"f:hostIP":{},"f:hostIPs":{},"f:phase":{},"f:podIP":{},"f:podIPs":{".":{},"k:{\"ip\":\"%s\"}":{".":{},"f:ip":{}}},"f:startTime":{}}},"subresource":"status"}]}`

// whole is the object without kind and apiVersion; what a metrics server has no use for is of a real one's size.
func (o *object) whole(b []byte) []byte {
	b = o.metadata(append(b, `"metadata":`...))
	if o.kind == "Node" {
		network := net.IPv4(10, byte(128+o.number>>8), byte(o.number), 0)
		b = fmt.Appendf(b, `,"spec":{"podCIDR":"%s/24","podCIDRs":["%s/24"]}`, network, network)
		b = append(b, `,"status":{"capacity":{"cpu":"4","memory":"16Gi","pods":"110"},"allocatable":{"cpu":"4","memory":"16Gi","pods":"110"},"conditions":[`...)
		for _, each := range []string{"MemoryPressure", "DiskPressure", "PIDPressure"} {
			b = fmt.Appendf(b, `{"type":%q,"status":"False","lastHeartbeatTime":%q,"lastTransitionTime":%q,"reason":"KubeletHasSufficient","message":"kubelet has enough"},`, each, rfc3339(o.reported), rfc3339(o.created))
		}
		b = fmt.Appendf(b, `{"type":"Ready","status":"True","lastHeartbeatTime":%q,"lastTransitionTime":%q,"reason":"KubeletReady","message":"kubelet is posting ready status"}]`, rfc3339(o.reported), rfc3339(o.created))
		b = fmt.Appendf(b, `,"addresses":[{"type":"InternalIP","address":%q},{"type":"Hostname","address":%q}],"daemonEndpoints":{"kubeletEndpoint":{"Port":%d}}`, o.address, o.name, o.port)
		return append(fmt.Appendf(b, nodeInfo, o.number+1, o.number+1, o.number+1), images...)
	}
	b = append(b, `,"spec":{"volumes":[{"name":"kube-api-access-9pswz","projected":{"sources":[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},{"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}},{"downwardAPI":{"items":[{"path":"namespace","fieldRef":{"apiVersion":"v1","fieldPath":"metadata.namespace"}}]}}],"defaultMode":420}}],"containers":[`...)
	for number, name := range containers[:2] {
		if number > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"name":%q,"image":"registry.example.com/shop/%s:v1.9.0","args":["--config=/etc/config.yaml"],"ports":[{"name":"https","containerPort":8443,"protocol":"TCP"}],"resources":{"requests":{"cpu":"100m","memory":"200Mi"}},"volumeMounts":[{"name":"kube-api-access-9pswz","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}],"readinessProbe":{"httpGet":{"path":"/readyz","port":"https","scheme":"HTTPS"},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}`, name, name)
	}
	b = fmt.Appendf(b, `],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAccountName":"default","serviceAccount":"default","nodeName":%q,"securityContext":{},"schedulerName":"default-scheduler","tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}],"priority":0,"enableServiceLinks":true,"preemptionPolicy":"PreemptLowerPriority"},"status":{"phase":"Running","conditions":[`, o.node)
	for number, each := range []string{"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"} {
		if number > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"type":%q,"status":"True","lastProbeTime":null,"lastTransitionTime":%q}`, each, rfc3339(o.created))
	}
	b = fmt.Appendf(b, `],"hostIP":"192.168.88.114","hostIPs":[{"ip":"192.168.88.114"}],"podIP":%q,"podIPs":[{"ip":%q}],"startTime":%q,"containerStatuses":[`, o.address, o.address, rfc3339(o.created))
	for number, name := range containers[:2] {
		if number > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"name":%q,"state":{"running":{"startedAt":%q}},"lastState":{},"ready":true,"restartCount":0,"image":"registry.example.com/shop/%s:v1.9.0","imageID":"sha256:2d92e7112ebc287fed6d2ecf039c7d4561680112239c7d79c7a55a4279e0a59f","containerID":"containerd://af4af59b67baefeb46b32834b7f872b06376e82fc9caf7151ea717dfe101be50","started":true}`, name, rfc3339(o.created), name)
	}
	return append(b, `],"qosClass":"Burstable"}`...)
}

const nodeInfo = `,"nodeInfo":{"machineID":"%032x","systemUUID":"%032x","bootID":"69a69375-6e91-42c6-bb72-%012x","kernelVersion":"6.18.44","osImage":"Debian GNU/Linux 12 (bookworm)","containerRuntimeVersion":"containerd://1.6.20","kubeletVersion":"v1.36.3","kubeProxyVersion":"","operatingSystem":"linux","architecture":"amd64"}`

// images: as many as a kubelet reports (nodeStatusMaxImages), most of what a Node weighs. Closes the status.
var images = func() string {
	var b strings.Builder
	b.WriteString(`,"images":[`)
	for number := range 50 {
		if number > 0 {
			b.WriteByte(',')
		}
		service := fmt.Sprintf("registry.example.com/team-%d/service-%d", number%7, number)
		fmt.Fprintf(&b, `{"names":["%s@sha256:%064x","%s:v1.%d.0"],"sizeBytes":%d}`, service, number, service, number, 100_000_000+number)
	}
	b.WriteString("]}")
	return b.String()
}()

// row is what a Table has of an object: kubectl's columns, and the metadata.
func (o *object) row(b []byte) []byte {
	if o.kind == "Node" {
		b = fmt.Appendf(b, `{"cells":[%q,"Ready","<none>","1h","v1.36.3",%q,"<none>","Debian GNU/Linux 12 (bookworm)","6.18.44","containerd://1.6.20"],"object":`, o.name, o.address)
	} else {
		b = fmt.Appendf(b, `{"cells":[%q,"2/2","Running","0","1h",%q,%q,"<none>","<none>"],"object":`, o.name, o.address, o.node)
	}
	return append(o.partial(b), '}')
}

// partial is a PartialObjectMetadata.
func (o *object) partial(b []byte) []byte {
	b = append(b, `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":`...)
	return append(o.metadata(b), '}')
}

var columns = map[string][]string{
	"Node": {"Name", "Status", "Roles", "Age", "Version", "Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime"},
	"Pod":  {"Name", "Ready", "Status", "Restarts", "Age", "IP", "Node", "Nominated Node", "Readiness Gates"},
}

func definitions(kind string) string {
	var told []string
	for _, name := range columns[kind] {
		format := ""
		if name == "Name" {
			format = "name"
		}
		told = append(told, fmt.Sprintf(`{"name":%q,"type":"string","format":%q,"description":"","priority":0}`, name, format))
	}
	return "[" + strings.Join(told, ",") + "]"
}
