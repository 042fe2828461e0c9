// Git-server serves the bare repositories of a folder by https, http and ssh, and misbehaves on request.
//
// Every connection reads the files of the configuration anew, so that a test changes passwords, keys and
// certificates while the server runs:
//
//	users            lines USER:PASSWORD
//	authorized_keys  public keys of ssh
//	host_key         private key of the ssh server
//	tls.crt, tls.key certificate of the https server
//
// A repository with the file git-daemon-export-ok is public. One with the file old-protocol is served without
// version 2 of git's protocol, which refuses commits that are no branch or tag.
// A path below /hang/ gets no answer, and a bucket or path that begins with denied or busy the answers 403 and 503.
package main

import (
	"crypto/tls"
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// The folders of the server, and the program of git.
type server struct {
	root, conf, git string
}

func main() {
	log.SetFlags(0)
	root := flag.String("root", "/srv/git", "folder of the repositories")
	conf := flag.String("conf", "/srv/conf", "folder of the configuration")
	git := flag.String("git", "/usr/bin/git", "program of git")
	secure := flag.String("https", ":8443", "address")
	plain := flag.String("http", ":8080", "address")
	shell := flag.String("ssh", ":2222", "address")
	flag.Parse()
	here := server{root: *root, conf: *conf, git: *git}

	go here.serveHTTP(tls.NewListener(listen(*secure), &tls.Config{GetCertificate: here.certificate}))
	go here.serveHTTP(listen(*plain))
	go here.serveSSH(listen(*shell))

	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	<-ended
}

func listen(address string) net.Listener {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatalf("git-server: %v", err)
	}
	return listener
}

// The folder of a repository, or "" if there is none. The path may not leave the root.
func (here server) repository(path string) string {
	folder := filepath.Join(here.root, filepath.Clean("/"+path))
	if _, err := os.Stat(filepath.Join(folder, "HEAD")); err != nil {
		return ""
	}
	return folder
}

func has(folder, name string) bool {
	_, err := os.Stat(filepath.Join(folder, name))
	return err == nil
}

func hangs(path string) bool {
	return strings.HasPrefix(strings.TrimPrefix(path, "/"), "hang/")
}

func (here server) read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(here.conf, name))
}
