package inside

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"time"
)

type headers []string

func (list *headers) String() string { return strings.Join(*list, ", ") }

func (list *headers) Set(text string) error {
	*list = append(*list, text)
	return nil
}

func get(args []string) error {
	var extra headers
	flags := flag.NewFlagSet("get", flag.ExitOnError)
	flags.Var(&extra, "H", "header, `NAME: VALUE`; may be repeated")
	method := flags.String("X", "GET", "method")
	body := flags.String("d", "", "body")
	authority := flags.String("ca", "", "certificates of authorities to trust, PEM `file`")
	timeout := flags.Float64("timeout", 10, "seconds")
	flags.Parse(args)
	if flags.NArg() != 1 {
		return fmt.Errorf("get takes one URL, after its options")
	}
	request, err := http.NewRequest(*method, flags.Arg(0), strings.NewReader(*body))
	if err != nil {
		return err
	}
	for _, line := range extra {
		name, value, _ := strings.Cut(line, ":")
		request.Header.Set(strings.TrimSpace(name), strings.TrimSpace(value))
		if strings.EqualFold(strings.TrimSpace(name), "Host") {
			request.Host = strings.TrimSpace(value)
		}
	}
	trust, err := trusting(*authority)
	if err != nil {
		return err
	}
	client := http.Client{
		Timeout:   time.Duration(*timeout * float64(time.Second)),
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust},
	}
	seen := &journey{begun: time.Now()}
	answer, err := client.Do(request.WithContext(httptrace.WithClientTrace(context.Background(), seen.trace())))
	if err != nil {
		return fmt.Errorf("%w; %s", err, seen)
	}
	defer answer.Body.Close()
	fmt.Fprintln(os.Stderr, answer.Status)
	if _, err := io.Copy(os.Stdout, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode >= 400 {
		return fmt.Errorf("%s answered %s", flags.Arg(0), answer.Status)
	}
	return nil
}

// How far a request came, and when: a time-out alone does not tell a name that is not found from a server that is gone.
type journey struct {
	begun time.Time
	mutex sync.Mutex
	steps []string
}

func (seen *journey) add(format string, values ...any) {
	seen.mutex.Lock()
	defer seen.mutex.Unlock()
	at := time.Since(seen.begun).Seconds()
	seen.steps = append(seen.steps, fmt.Sprintf("%.3f s ", at)+fmt.Sprintf(format, values...))
}

func (seen *journey) String() string {
	seen.mutex.Lock()
	defer seen.mutex.Unlock()
	return fmt.Sprintf("%s; given up after %.3f s", strings.Join(seen.steps, ", "), time.Since(seen.begun).Seconds())
}

func (seen *journey) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSStart: func(info httptrace.DNSStartInfo) { seen.add("asks for %s", info.Host) },
		DNSDone: func(info httptrace.DNSDoneInfo) {
			if info.Err != nil {
				seen.add("no address: %v", info.Err)
				return
			}
			seen.add("address %v", info.Addrs)
		},
		ConnectStart: func(_, address string) { seen.add("connects to %s", address) },
		ConnectDone: func(_, address string, err error) {
			if err != nil {
				seen.add("no connection to %s: %v", address, err)
				return
			}
			seen.add("connected to %s", address)
		},
		WroteRequest: func(httptrace.WroteRequestInfo) { seen.add("request written") },
	}
}

func trusting(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return &tls.Config{RootCAs: pool}, nil
}

func resolve(names []string) error {
	ctx, done := context.WithTimeout(context.Background(), 10*time.Second)
	defer done()
	for _, name := range names {
		found, err := net.DefaultResolver.LookupHost(ctx, name)
		if err != nil {
			return err
		}
		fmt.Println(name, strings.Join(found, " "))
	}
	return nil
}
