package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/crypto/ssh"
)

func (here server) serveSSH(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatalf("git-server: %v", err)
		}
		go here.connected(connection)
	}
}

func (here server) connected(connection net.Conn) {
	defer connection.Close()
	key, err := here.read("host_key")
	if err != nil {
		log.Printf("ssh: %v", err)
		return
	}
	signer, err := ssh.ParsePrivateKey(key)
	if err != nil {
		log.Printf("ssh: host_key: %v", err)
		return
	}
	config := &ssh.ServerConfig{PublicKeyCallback: here.authorized}
	config.AddHostKey(signer)
	session, channels, requests, err := ssh.NewServerConn(connection, config)
	if err != nil {
		log.Printf("ssh: %v", err)
		return
	}
	go ssh.DiscardRequests(requests)
	for channel := range channels {
		if channel.ChannelType() != "session" {
			_ = channel.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		}
		stream, more, err := channel.Accept()
		if err != nil {
			return
		}
		go here.session(session.User(), stream, more)
	}
}

func (here server) authorized(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	rest, err := here.read("authorized_keys")
	for err == nil {
		var known ssh.PublicKey
		known, _, _, rest, err = ssh.ParseAuthorizedKey(rest)
		if err == nil && bytes.Equal(known.Marshal(), key.Marshal()) {
			return nil, nil
		}
	}
	return nil, errors.New("unknown key")
}

// One session runs one command: git-upload-pack 'PATH'.
func (here server) session(user string, stream ssh.Channel, requests <-chan *ssh.Request) {
	defer stream.Close()
	protocol := ""
	for request := range requests {
		switch request.Type {
		case "env":
			var variable struct{ Name, Value string }
			known := ssh.Unmarshal(request.Payload, &variable) == nil && variable.Name == "GIT_PROTOCOL"
			if known {
				protocol = variable.Value
			}
			_ = request.Reply(known, nil)
		case "exec":
			var command struct{ Line string }
			_ = request.Reply(ssh.Unmarshal(request.Payload, &command) == nil, nil)
			code := here.uploadPack(user, command.Line, protocol, stream)
			_, _ = stream.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{code}))
			return
		default:
			_ = request.Reply(false, nil)
		}
	}
}

func (here server) uploadPack(user, line, protocol string, stream ssh.Channel) uint32 {
	program, path, _ := strings.Cut(line, " ")
	path = strings.Trim(path, "'")
	log.Printf("ssh %s %s user %q", program, path, user)
	if program != "git-upload-pack" {
		fmt.Fprintf(stream.Stderr(), "git-server: %q is not served here\n", program)
		return 1
	}
	if hangs(path) {
		_, _ = io.Copy(io.Discard, stream)
		return 1
	}
	folder := here.repository(path)
	if folder == "" {
		fmt.Fprintf(stream.Stderr(), "git-server: repository %q not found\n", path)
		return 128
	}
	command := exec.Command(here.git, "upload-pack", folder)
	command.Env = append(os.Environ(), "HOME=/tmp")
	if !has(folder, "old-protocol") && protocol != "" {
		command.Env = append(command.Env, "GIT_PROTOCOL="+protocol)
	}
	command.Stdout, command.Stderr = stream, stream.Stderr()
	// The client keeps its side open until it has the exit status, so that waiting for the copy would block.
	input, err := command.StdinPipe()
	if err != nil {
		return 1
	}
	go func() { _, _ = io.Copy(input, stream); _ = input.Close() }()
	if err := command.Run(); err != nil {
		log.Printf("ssh: %v", err)
		return 1
	}
	return 0
}
