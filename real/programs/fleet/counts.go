package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// account is a metrics server that asks, and what it was served.
type account struct {
	pages  atomic.Int64
	packed atomic.Int64
	mu     sync.Mutex
	last   []time.Time // by node
	gap    time.Duration
}

func (a *account) served(node int) {
	a.pages.Add(1)
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if before := a.last[node]; !before.IsZero() {
		a.gap = max(a.gap, now.Sub(before))
	}
	a.last[node] = now
}

// longestGap between two pages of one node, since this was asked before.
func (a *account) longestGap() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	found, now := a.gap, time.Now()
	for _, at := range a.last {
		if !at.IsZero() {
			found = max(found, now.Sub(at))
		}
	}
	a.gap = 0
	return found
}

// counts says what every account was served.
type counts struct {
	accounts map[string]*account
}

func newCounts(names []string, nodes int) *counts {
	made := &counts{accounts: map[string]*account{}}
	for _, name := range names {
		made.accounts[name] = &account{last: make([]time.Time, nodes)}
	}
	return made
}

// account is whose token the request has.
func (c *counts) account(r *http.Request) (*account, bool) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	found, known := c.accounts[token]
	return found, known
}

// tell says what the account that asks was served.
func (c *counts) tell(w http.ResponseWriter, r *http.Request) {
	asking, _ := c.account(r)
	gap := asking.longestGap()
	asking.mu.Lock()
	reached := 0
	for _, at := range asking.last {
		if !at.IsZero() {
			reached++
		}
	}
	asking.mu.Unlock()
	body, err := json.Marshal(map[string]any{
		"pages": asking.pages.Load(), "packed": asking.packed.Load(), "longest_gap": gap.Seconds(), "nodes": reached,
	})
	if err != nil {
		panic(err) // never: numbers only
	}
	answer(w, http.StatusOK, body)
}
