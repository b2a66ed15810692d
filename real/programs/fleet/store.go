package main

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// remembered: changes that a watch may go back to; older ones answer 410.
const remembered = 20_000

var versions atomic.Uint64

func init() { versions.Store(1000) }

type change struct {
	kind   string // ADDED, MODIFIED or DELETED
	object *object
}

// collection holds the objects of a resource, and their last changes.
type collection struct {
	mu      sync.Mutex
	objects map[string]*object
	sorted  []*object // nil after a change
	changes []change
	oldest  uint64        // a watch must begin here or later
	news    chan struct{} // closed by the next change
}

func newCollection() *collection {
	return &collection{objects: map[string]*object{}, news: make(chan struct{}), oldest: versions.Load()}
}

func (c *collection) put(o *object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kind := "ADDED"
	if c.objects[o.key()] != nil {
		kind = "MODIFIED"
	}
	o.version = versions.Add(1)
	c.objects[o.key()] = o
	c.changed(change{kind, o})
}

func (c *collection) remove(o *object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.objects, o.key())
	last := *o
	last.version = versions.Add(1)
	c.changed(change{"DELETED", &last})
}

func (c *collection) changed(what change) {
	c.sorted = nil
	c.changes = append(c.changes, what)
	if len(c.changes) > 2*remembered {
		gone := len(c.changes) - remembered
		c.oldest = c.changes[gone-1].object.version
		c.changes = slices.Clone(c.changes[gone:])
	}
	close(c.news)
	c.news = make(chan struct{})
}

// all is every object, by namespace and name, and as of when.
func (c *collection) all() ([]*object, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sorted == nil {
		c.sorted = make([]*object, 0, len(c.objects))
		for _, key := range sortedKeys(c.objects) {
			c.sorted = append(c.sorted, c.objects[key])
		}
	}
	return c.sorted, c.last()
}

// last is the version of the last change, which is what a list is as of.
func (c *collection) last() uint64 {
	if len(c.changes) == 0 {
		return c.oldest
	}
	return c.changes[len(c.changes)-1].object.version
}

// since is what has changed after a version, and where more is told; false if that is too long ago.
func (c *collection) since(version uint64) ([]change, chan struct{}, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if version < c.oldest {
		return nil, nil, false
	}
	first, _ := slices.BinarySearchFunc(c.changes, version+1, func(each change, wanted uint64) int {
		return int(int64(each.object.version) - int64(wanted))
	})
	return slices.Clone(c.changes[first:]), c.news, true
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
