package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"outfitter.dev/programs/inside"
)

const writable = 64 << 20

// What any path without another meaning answers: enough to see who answered, and what reached him.
type greeting struct {
	Host    string      `json:"host"`
	Message string      `json:"message,omitempty"`
	Method  string      `json:"method"`
	Path    string      `json:"path"`
	Asked   string      `json:"asked"`
	Headers http.Header `json:"headers"`
}

func handler(chosen settings) http.Handler {
	begun := time.Now()
	var sick atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc(chosen.health, func(answer http.ResponseWriter, _ *http.Request) {
		late := chosen.unhealthyAfter >= 0 && time.Since(begun) > seconds(chosen.unhealthyAfter)
		if late || sick.Load() {
			http.Error(answer, "unhealthy, as told", http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(answer, "ok")
	})
	mux.HandleFunc("POST /sick", func(answer http.ResponseWriter, request *http.Request) {
		sick.Store(request.URL.Query().Get("well") == "")
		fmt.Fprintln(answer, "sick:", sick.Load())
	})
	mux.HandleFunc("POST /crash", func(answer http.ResponseWriter, request *http.Request) {
		code, err := number(request, "code", chosen.crashCode)
		if err != nil {
			http.Error(answer, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintln(answer, "crashes with", code)
		time.AfterFunc(50*time.Millisecond, func() { crash(code) }) // after the answer
	})
	mux.HandleFunc("POST /eat", func(answer http.ResponseWriter, request *http.Request) {
		mib, err := number(request, "mib", 64)
		if err != nil {
			http.Error(answer, err.Error(), http.StatusBadRequest)
			return
		}
		go eat(mib)
		fmt.Fprintln(answer, "eats", mib)
	})
	mux.HandleFunc("GET /env", func(answer http.ResponseWriter, _ *http.Request) {
		found := map[string]string{}
		for _, line := range inside.Environment() {
			name, value, _ := strings.Cut(line, "=")
			found[name] = value
		}
		reply(answer, found)
	})
	mux.HandleFunc("GET /id", func(answer http.ResponseWriter, _ *http.Request) { reply(answer, inside.Process()) })
	mux.HandleFunc("GET /mounts", func(answer http.ResponseWriter, _ *http.Request) {
		found, err := inside.Mounts()
		if err != nil {
			refuse(answer, err)
			return
		}
		reply(answer, found)
	})
	mux.HandleFunc("GET /files", files)
	mux.HandleFunc("/write", write)
	if chosen.health != "/" {
		mux.HandleFunc("/", func(answer http.ResponseWriter, request *http.Request) {
			host, _ := os.Hostname()
			said := greeting{host, chosen.message, request.Method, request.URL.RequestURI(), request.Host, request.Header}
			reply(answer, said)
		})
	}
	return mux
}

// The content of a file, or the list of a directory.
func files(answer http.ResponseWriter, request *http.Request) {
	path := request.URL.Query().Get("path")
	info, err := os.Stat(path)
	if err != nil {
		refuse(answer, err)
		return
	}
	if info.IsDir() {
		lines, err := inside.List(path)
		if err != nil {
			refuse(answer, err)
			return
		}
		reply(answer, lines)
		return
	}
	file, err := os.Open(path)
	if err != nil {
		refuse(answer, err)
		return
	}
	defer file.Close()
	io.Copy(answer, file)
}

// The body, or the parameter text, into a file.
func write(answer http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodPost && request.Method != http.MethodPut {
		http.Error(answer, "use POST or PUT", http.StatusMethodNotAllowed)
		return
	}
	content, err := io.ReadAll(http.MaxBytesReader(answer, request.Body, writable))
	if err != nil {
		http.Error(answer, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	if text := request.URL.Query().Get("text"); text != "" {
		content = []byte(text)
	}
	if err := os.WriteFile(request.URL.Query().Get("path"), content, 0o644); err != nil {
		refuse(answer, err)
		return
	}
	fmt.Fprintln(answer, "written:", len(content))
}

func refuse(answer http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	switch {
	case os.IsNotExist(err):
		status = http.StatusNotFound
	case os.IsPermission(err):
		status = http.StatusForbidden
	}
	http.Error(answer, err.Error(), status)
}

func reply(answer http.ResponseWriter, value any) {
	answer.Header().Set("Content-Type", "application/json")
	json.NewEncoder(answer).Encode(value)
}
