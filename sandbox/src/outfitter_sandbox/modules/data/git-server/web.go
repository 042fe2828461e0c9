package main

import (
	"bufio"
	"bytes"
	"crypto/subtle"
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/cgi"
	"path/filepath"
	"strings"
)

func (here server) serveHTTP(listener net.Listener) {
	log.Fatalf("git-server: %v", (&http.Server{Handler: http.HandlerFunc(here.answer)}).Serve(listener))
}

func (here server) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(here.conf, "tls.crt"), filepath.Join(here.conf, "tls.key"))
	return &pair, err
}

func (here server) answer(writer http.ResponseWriter, request *http.Request) {
	path := request.URL.Path
	if path == "/" {
		writer.WriteHeader(http.StatusOK)
		return
	}
	if hangs(path) {
		<-request.Context().Done()
		return
	}
	if strings.HasPrefix(path, "/denied") {
		refuse(writer, http.StatusForbidden, "AccessDenied")
		return
	}
	if strings.HasPrefix(path, "/busy") {
		refuse(writer, http.StatusServiceUnavailable, "SlowDown")
		return
	}
	name, _, found := strings.Cut(path, ".git/")
	folder := here.repository(name + ".git")
	public := folder != "" && has(folder, "git-daemon-export-ok")
	user, password, given := request.BasicAuth()
	if !public && !(given && here.known(user, password)) {
		log.Printf("401 %s user %q", path, user)
		writer.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		http.Error(writer, "authentication required", http.StatusUnauthorized)
		return
	}
	if !found || folder == "" {
		log.Printf("404 %s user %q", path, user)
		http.NotFound(writer, request)
		return
	}
	if has(folder, "old-protocol") {
		request.Header.Del("Git-Protocol")
	}
	request.Header.Del("Authorization")
	log.Printf("git %s user %q", path, user)
	backend := cgi.Handler{
		Path:       here.git,
		Args:       []string{"http-backend"},
		Dir:        here.root,
		Root:       "",
		Env:        []string{"GIT_PROJECT_ROOT=" + here.root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=" + user, "HOME=/tmp"},
		InheritEnv: []string{"PATH"},
	}
	backend.ServeHTTP(writer, request)
}

// Refuse answers as a store of S3 does, which git reads as any other error.
func refuse(writer http.ResponseWriter, status int, code string) {
	writer.Header().Set("Content-Type", "application/xml")
	writer.WriteHeader(status)
	fmt.Fprintf(writer, "<Error><Code>%s</Code><Message>refused</Message></Error>", code)
}

func (here server) known(user, password string) bool {
	content, err := here.read("users")
	if err != nil {
		return false
	}
	wanted := []byte(user + ":" + password)
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		if subtle.ConstantTimeCompare(lines.Bytes(), wanted) == 1 {
			return true
		}
	}
	return false
}
