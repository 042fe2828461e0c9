package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

const version = "1.8.4"

// Listens at once, so that the live path answers through the download; ready comes with the loaded model.
func serve() error {
	chosen, err := profileOf(os.Getenv("NIM_MODEL_PROFILE"))
	if err != nil {
		return err
	}
	wanted := modelIn(place(chosen), chosen)
	if os.Getenv("NIM_ENGINE_MODEL_DOWNLOAD_ONLY") == "1" {
		return wanted.download()
	}
	port := setting("NIM_SERVER_PORT", setting("NIM_HTTP_API_PORT", "8000"))
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	fmt.Println("Listening on", listener.Addr())
	var ready atomic.Bool
	ended := make(chan error, 2)
	server := &http.Server{Handler: handler(wanted, &ready), ReadHeaderTimeout: 10 * time.Second}
	go func() { ended <- server.Serve(listener) }()
	go func() {
		if err := wanted.download(); err != nil {
			ended <- err
			return
		}
		time.Sleep(time.Duration(amount("FAKE_NIM_LOAD_SECONDS", "0") * float64(time.Second)))
		ready.Store(true)
		fmt.Println("Ready to serve", modelName())
	}()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	select {
	case err := <-ended:
		return err
	case caught := <-signals:
		fmt.Println("Ends on", caught)
	}
	ctx, done := context.WithTimeout(context.Background(), 5*time.Second)
	defer done()
	return server.Shutdown(ctx)
}

type object = map[string]any

func handler(served model, ready *atomic.Bool) http.Handler {
	name := setting("NIM_SERVED_MODEL_NAME", modelName())
	begun := time.Now().Unix()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/health/live", func(answer http.ResponseWriter, _ *http.Request) {
		reply(answer, http.StatusOK, object{"object": "health-response", "message": "live"})
	})
	whenReady := func(pattern string, make func(*http.Request) (object, error)) {
		mux.HandleFunc(pattern, func(answer http.ResponseWriter, request *http.Request) {
			if !ready.Load() {
				text := "the model is not loaded yet"
				reply(answer, http.StatusServiceUnavailable, object{"object": "health-response", "message": text})
				return
			}
			body, err := make(request)
			if err != nil {
				reply(answer, http.StatusBadRequest, object{"object": "error", "message": err.Error()})
				return
			}
			reply(answer, http.StatusOK, body)
		})
	}
	whenReady("GET /v1/health/ready", func(*http.Request) (object, error) {
		return object{"object": "health-response", "message": "ready"}, nil
	})
	whenReady("GET /v1/models", func(*http.Request) (object, error) {
		one := object{"id": name, "object": "model", "created": begun, "owned_by": "system", "root": name, "parent": nil}
		return object{"object": "list", "data": []object{one}}, nil
	})
	whenReady("GET /v1/metadata", func(*http.Request) (object, error) {
		info := object{"shortName": name, "modelUrl": "ngc://nim/" + modelName() + ":" + served.profile.name}
		return object{
			"version": version, "selectedModelProfileId": served.profile.id, "modelInfo": []object{info},
			"assetInfo": []string{}, "repository_override": os.Getenv("NIM_REPOSITORY_OVERRIDE"),
		}, nil
	})
	whenReady("POST /v1/chat/completions", func(request *http.Request) (object, error) {
		return complete(request, name)
	})
	return mux
}

// The answer of this model to anything is what it was told last.
func complete(request *http.Request, name string) (object, error) {
	var asked struct {
		Model    string `json:"model"`
		Messages []struct {
			Content string `json:"content"`
		} `json:"messages"`
	}
	if err := json.NewDecoder(io.LimitReader(request.Body, 1<<20)).Decode(&asked); err != nil {
		return nil, err
	}
	if asked.Model != name {
		return nil, fmt.Errorf("no model %q, only %q", asked.Model, name)
	}
	if len(asked.Messages) == 0 {
		return nil, errors.New("no messages")
	}
	said := object{"role": "assistant", "content": asked.Messages[len(asked.Messages)-1].Content}
	choice := object{"index": 0, "message": said, "finish_reason": "stop"}
	return object{"id": "cmpl-1", "object": "chat.completion", "model": name, "choices": []object{choice}}, nil
}

func reply(answer http.ResponseWriter, status int, body object) {
	answer.Header().Set("Content-Type", "application/json")
	answer.WriteHeader(status)
	json.NewEncoder(answer).Encode(body)
}
