package main

import (
	"hash/fnv"
	"strconv"
	"time"
)

// family is one of a page's families of lines, in the order in which Prometheus sorts them.
type family struct {
	name, kind, help string
	of               string // container, pod or node
	value            func(used) float64
	timed            bool
}

// used is what something has used, as of a moment.
type used struct {
	cpu     float64
	memory  float64
	started float64
	at      int64
}

var families = []family{
	{"container_cpu_usage_seconds_total", "counter", "[STABLE] Cumulative cpu time consumed by the container in core-seconds", "container", func(u used) float64 { return u.cpu }, true},
	{"container_memory_working_set_bytes", "gauge", "[STABLE] Current working set of the container in bytes", "container", func(u used) float64 { return u.memory }, true},
	{"container_start_time_seconds", "gauge", "[STABLE] Start time of the container since unix epoch in seconds", "container", func(u used) float64 { return u.started }, false},
	{"container_swap_usage_bytes", "gauge", "[ALPHA] Current amount of the container swap usage in bytes. Reported only on non-windows systems", "container", func(used) float64 { return 0 }, true},
	{"node_cpu_usage_seconds_total", "counter", "[STABLE] Cumulative cpu time consumed by the node in core-seconds", "node", func(u used) float64 { return u.cpu }, true},
	{"node_memory_working_set_bytes", "gauge", "[STABLE] Current working set of the node in bytes", "node", func(u used) float64 { return u.memory }, true},
	{"node_swap_usage_bytes", "gauge", "[ALPHA] Current swap usage of the node in bytes. Reported only on non-windows systems", "node", func(used) float64 { return 0 }, true},
	{"pod_cpu_usage_seconds_total", "counter", "[STABLE] Cumulative cpu time consumed by the pod in core-seconds", "pod", func(u used) float64 { return u.cpu }, true},
	{"pod_memory_working_set_bytes", "gauge", "[STABLE] Current working set of the pod in bytes", "pod", func(u used) float64 { return u.memory }, true},
	{"pod_swap_usage_bytes", "gauge", "[ALPHA] Current amount of the pod swap usage in bytes. Reported only on non-windows systems", "pod", func(used) float64 { return 0 }, true},
}

// page appends /metrics/resource, as of now.
func (k *kubelet) page(b []byte, now time.Time) []byte {
	for _, f := range families {
		b = append(append(append(append(append(b, "# HELP "...), f.name...), ' '), f.help...), "\n# TYPE "...)
		b = append(append(append(append(b, f.name...), ' '), f.kind...), '\n')
		switch f.of {
		case "node":
			b = f.line(append(b, f.name...), k.usage(k.name, k.began, now))
		case "pod":
			for _, pod := range k.pods {
				b = append(labels(append(b, f.name...), "", pod), '}')
				b = f.line(b, k.usage(pod.name, pod.created, now))
			}
		default:
			for _, pod := range k.pods {
				for _, container := range containers[:k.settings.in] {
					b = append(labels(append(b, f.name...), container, pod), '}')
					b = f.line(b, k.usage(pod.name+container, pod.created, now))
				}
			}
		}
	}
	return append(b, "# HELP resource_scrape_error [STABLE] 1 if there was an error while getting container metrics, 0 otherwise\n# TYPE resource_scrape_error gauge\nresource_scrape_error 0\n"...)
}

func labels(b []byte, container string, pod *object) []byte {
	b = append(b, '{')
	if container != "" {
		b = append(append(append(b, `container="`...), container...), `",`...)
	}
	b = append(append(append(b, `namespace="`...), pod.namespace...), `",pod="`...)
	return append(append(b, pod.name...), '"')
}

func (f family) line(b []byte, u used) []byte {
	b = append(b, ' ')
	if value := f.value(u); value == 0 {
		b = append(b, '0')
	} else {
		b = strconv.AppendFloat(b, value, 'g', -1, 64)
	}
	if f.timed {
		b = strconv.AppendInt(append(b, ' '), u.at, 10)
	}
	return append(b, '\n')
}

// usage is measured by the kubelet every few seconds, at a phase of each thing's own; a page shows what was measured last.
func (k *kubelet) usage(name string, began, now time.Time) used {
	digest := fnv.New64a()
	_, _ = digest.Write([]byte(name))
	dice := digest.Sum64()
	every := housekeeping
	if k.kind == repeated {
		every = seldom
	}
	milliseconds, phase := every.Milliseconds(), int64(dice%uint64(every.Milliseconds()))
	at := (now.UnixMilli()-phase)/milliseconds*milliseconds + phase
	at = max(at, began.UnixMilli())
	elapsed := at - began.UnixMilli() + 1
	if k.kind == idle {
		elapsed = 1000
	}
	millicores := int64(dice>>20%200 + 1)
	return used{
		cpu:     float64(elapsed*millicores*1000+int64(dice>>8%1000)) / 1e9,
		memory:  float64((dice>>16%4096 + uint64(elapsed/1000)%64 + 1) * 4096 * 4),
		started: float64(began.UnixMilli()) / 1e3,
		at:      at,
	}
}
