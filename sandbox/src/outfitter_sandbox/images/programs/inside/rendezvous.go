package inside

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// group is what a pod of a distributed training knows of the others, by the variables of its framework. rank is -1
// where the framework gives none, as an elastic one does.
type group struct {
	framework string
	address   string
	port      string
	size      int
	rank      int
}

const patience = 2 * time.Minute

// rendezvous joins all pods of a group, and ends well only if each rank was there exactly once. With a number as
// argument, the pod stays for that many seconds afterwards.
func rendezvous(args []string) error {
	switch os.Getenv("K_MPI_JOB_ROLE") {
	case "launcher":
		return launch("/etc/mpi/hostfile")
	case "worker":
		return beReached()
	}
	own, err := groupOf()
	if err != nil {
		return err
	}
	fmt.Printf("%s: rank %d of %d, leader %s:%s\n", own.framework, own.rank, own.size, own.address, own.port)
	host, _ := os.Hostname()
	leads := own.rank == 0 || own.rank < 0 && strings.HasPrefix(own.address, host+".")
	if leads {
		err = lead(own)
	} else {
		err = join(own, host)
	}
	if err != nil {
		return err
	}
	fmt.Printf("all %d ranks are there\n", own.size)
	if len(args) > 0 {
		return sleep(args)
	}
	return nil
}

// groupOf reads the variables of the framework.
func groupOf() (group, error) {
	get := os.Getenv
	if text := get("TF_CONFIG"); text != "" {
		return ofTensorFlow(text)
	}
	if get("COORDINATOR_ADDRESS") != "" {
		return numbered("JAX", get("COORDINATOR_ADDRESS"), get("COORDINATOR_PORT"), get("NUM_PROCESSES"), get("PROCESS_ID"))
	}
	if endpoint := get("PET_RDZV_ENDPOINT"); endpoint != "" {
		host, port, err := net.SplitHostPort(endpoint)
		if err != nil {
			return group{}, err
		}
		_, most, _ := strings.Cut(get("PET_NNODES"), ":")
		return numbered("PyTorch, elastic", host, port, most, "-1")
	}
	if tracker := get("DMLC_TRACKER_URI"); tracker != "" {
		if tracker != get("MASTER_ADDR") || get("DMLC_TASK_ID") != get("RANK") {
			return group{}, fmt.Errorf("the variables of XGBoost contradict each other")
		}
		return numbered("XGBoost", tracker, get("DMLC_TRACKER_PORT"), get("DMLC_NUM_WORKER"), get("RANK"))
	}
	if get("PET_NODE_RANK") != get("RANK") || get("PET_MASTER_ADDR") != get("MASTER_ADDR") {
		return group{}, fmt.Errorf("the variables of PyTorch contradict each other")
	}
	return numbered("PyTorch", get("MASTER_ADDR"), get("MASTER_PORT"), get("WORLD_SIZE"), get("RANK"))
}

func numbered(framework, address, port, size, rank string) (group, error) {
	count, err := strconv.Atoi(size)
	if err != nil {
		return group{}, fmt.Errorf("%s: the size %q is no number", framework, size)
	}
	number, err := strconv.Atoi(rank)
	if err != nil || address == "" || number >= count {
		return group{}, fmt.Errorf("%s: rank %q of %d, leader %q", framework, rank, count, address)
	}
	return group{framework, address, port, count, number}, nil
}

// ofTensorFlow counts the chief first, then the workers.
func ofTensorFlow(text string) (group, error) {
	var config struct {
		Cluster map[string][]string
		Task    struct {
			Type  string
			Index int
		}
	}
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		return group{}, fmt.Errorf("TF_CONFIG: %w", err)
	}
	chief, workers := config.Cluster["chief"], config.Cluster["worker"]
	all := append(append([]string{}, chief...), workers...)
	rank := config.Task.Index
	if config.Task.Type == "worker" {
		rank += len(chief)
	}
	host, port, err := net.SplitHostPort(all[0])
	if err != nil {
		return group{}, err
	}
	return numbered("TF", host, port, strconv.Itoa(len(all)), strconv.Itoa(rank))
}

// lead waits for the other ranks, and tells each whether all of them were there.
func lead(own group) error {
	listener, err := net.Listen("tcp", ":"+own.port)
	if err != nil {
		return err
	}
	defer listener.Close()
	listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	seen := map[string]bool{}
	var peers []net.Conn
	for len(seen) < own.size-1 {
		peer, err := listener.Accept()
		if err != nil {
			return fmt.Errorf("only %d of %d other ranks came: %w", len(seen), own.size-1, err)
		}
		line, err := bufio.NewReader(peer).ReadString('\n')
		if err != nil {
			continue // it tries again
		}
		name := strings.TrimSpace(line)
		if seen[name] {
			return fmt.Errorf("rank %s came twice", name)
		}
		seen[name] = true
		peers = append(peers, peer)
	}
	for _, peer := range peers {
		fmt.Fprintf(peer, "all\n")
		peer.Close()
	}
	return nil
}

// join tells the leader who is there, and waits for its word.
func join(own group, host string) error {
	name := strconv.Itoa(own.rank)
	if own.rank < 0 {
		name = host
	}
	end := time.Now().Add(patience)
	for {
		peer, err := net.DialTimeout("tcp", net.JoinHostPort(own.address, own.port), 5*time.Second)
		if err == nil {
			defer peer.Close()
			peer.SetDeadline(end)
			fmt.Fprintf(peer, "%s\n", name)
			if line, err := bufio.NewReader(peer).ReadString('\n'); err != nil || line != "all\n" {
				return fmt.Errorf("the leader is gone: %q, %v", line, err)
			}
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("the leader cannot be reached: %w", err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}
