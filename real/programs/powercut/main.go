// powercut serves disks, and writes down what reaches them: every write and every flush, in order.
//
// A disk is a file in one folder of a FUSE file system; a loop device turns it into a block device. Behind it lies an
// ordinary file, which always has the newest content. A flush is what a disk makes durable all earlier writes with. What
// is written to the file "marks" tells the log how far whoever uses the disks has come; it is kept on no disk.
//
// An entry of the log is its kind ("w", "f" or "m"), the number of the disk, and, big-endian, where (8 bytes) and how
// many bytes follow (4 bytes).
package main

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

const marks = 255

// journal is the log; requests come to it one after the other.
type journal struct{ out *os.File }

func (j *journal) add(kind, disk byte, at int64, data []byte) syscall.Errno {
	entry := append(make([]byte, 0, 14+len(data)), kind, disk)
	entry = binary.BigEndian.AppendUint64(entry, uint64(at))
	entry = binary.BigEndian.AppendUint32(entry, uint32(len(data)))
	_, err := j.out.Write(append(entry, data...))
	return fs.ToErrno(err)
}

// disk is one of the files; without one behind it, it is "marks".
type disk struct {
	fs.Inode
	behind *os.File
	number byte
	log    *journal
}

var (
	_ fs.NodeOpener    = (*disk)(nil)
	_ fs.NodeGetattrer = (*disk)(nil)
	_ fs.NodeReader    = (*disk)(nil)
	_ fs.NodeWriter    = (*disk)(nil)
	_ fs.NodeFsyncer   = (*disk)(nil)
)

func (d *disk) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, 0, 0
}

func (d *disk) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode = syscall.S_IFREG | 0o600
	if d.behind == nil {
		return 0
	}
	seen, err := d.behind.Stat()
	if err == nil {
		out.Size = uint64(seen.Size())
	}
	return fs.ToErrno(err)
}

func (d *disk) Read(_ context.Context, _ fs.FileHandle, to []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	if d.behind == nil {
		return nil, syscall.EINVAL
	}
	return fuse.ReadResultFd(d.behind.Fd(), at, len(to)), 0
}

func (d *disk) Write(_ context.Context, _ fs.FileHandle, data []byte, at int64) (uint32, syscall.Errno) {
	kind := byte('m')
	if d.behind != nil {
		kind = 'w'
		if _, err := d.behind.WriteAt(data, at); err != nil {
			return 0, fs.ToErrno(err)
		}
	}
	return uint32(len(data)), d.log.add(kind, d.number, at, data)
}

func (d *disk) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return d.log.add('f', d.number, 0, nil)
}

func main() {
	at := flag.String("at", "", "the folder in which the disks appear")
	written := flag.String("log", "", "the file that the log is written to")
	flag.Parse()
	if err := serve(*at, *written, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func serve(at, written string, behind []string) error {
	out, err := os.OpenFile(written, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	there := &journal{out}
	files := map[string]*disk{"marks": {number: marks, log: there}}
	for number, path := range behind {
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		files[filepath.Base(path)] = &disk{behind: file, number: byte(number), log: there}
	}
	root := &fs.Inode{}
	server, err := fs.Mount(at, root, &fs.Options{
		MountOptions: fuse.MountOptions{Name: "powercut", SingleThreaded: true, DirectMountStrict: true, DisableXAttrs: true},
		OnAdd: func(ctx context.Context) {
			for name, file := range files {
				root.AddChild(name, root.NewPersistentInode(ctx, file, fs.StableAttr{Mode: syscall.S_IFREG}), false)
			}
		},
	})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	server.Wait()
	return out.Close()
}
