// Command etcd is etcd v3.6: its own main does nothing else, but lies in a module of its own, one
// that replaces its sisters by paths of etcd's tree and so cannot be built from outside it.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
