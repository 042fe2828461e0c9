package inside

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const workerPort = "2222"

// launch does what mpirun does, without ssh: it reaches each host of the host file, and starts as many ranks there as
// the host has slots. It ends well only if each host is another pod that knows its own name, and if both have a key.
func launch(hostFile string) error {
	text, err := os.ReadFile(hostFile)
	if err != nil {
		return err
	}
	if err := readKey(); err != nil {
		return err
	}
	ranks, seen := 0, map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		host, options, _ := strings.Cut(line, " ")
		slots, err := strconv.Atoi(strings.TrimPrefix(options, "slots="))
		if err != nil {
			return fmt.Errorf("the host file has %q", line)
		}
		name, err := reach(host)
		if err != nil {
			return err
		}
		if seen[name] || !strings.HasPrefix(host, name+".") {
			return fmt.Errorf("host %s answers as %s", host, name)
		}
		seen[name] = true
		ranks += slots
	}
	fmt.Printf("all %d ranks on %d hosts are there\n", ranks, len(seen))
	return nil
}

// reach returns the name of a worker, which starts at the same time.
func reach(host string) (string, error) {
	for end := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		peer, err := net.DialTimeout("tcp", net.JoinHostPort(host, workerPort), 5*time.Second)
		if err == nil {
			defer peer.Close()
			peer.SetDeadline(end)
			line, err := bufio.NewReader(peer).ReadString('\n')
			return strings.TrimSpace(line), err
		}
		if time.Now().After(end) {
			return "", fmt.Errorf("worker %s cannot be reached: %w", host, err)
		}
	}
}

// beReached tells every caller the name of the pod, as sshd would let the launcher in, until the pod is deleted.
func beReached() error {
	if err := readKey(); err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", ":"+workerPort)
	if err != nil {
		return err
	}
	for {
		peer, err := listener.Accept()
		if err != nil {
			return err
		}
		fmt.Fprintln(peer, host)
		peer.Close()
	}
}

// readKey reads the SSH key in the folder that the variable SSH_AUTH names.
func readKey() error {
	_, err := os.ReadFile(filepath.Join(os.Getenv("SSH_AUTH"), "id_rsa"))
	return err
}
