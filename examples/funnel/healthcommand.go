package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/go-databuffer/databuffer/examples/funnel/settings"
)

// healthCommand is "funnel health": it asks /readyz of a running funnel, for where
// there is no other program that could, as in a container.
func healthCommand(ctx context.Context, args []string, env settings.Lookup, stdout, stderr io.Writer) int {
	var address string
	var timeout time.Duration
	set := flag.NewFlagSet("funnel health", flag.ContinueOnError)
	set.StringVar(&address, "url", healthAddress(env), "the `address` of the funnel; the default goes by FUNNEL_LISTEN")
	set.DurationVar(&timeout, "timeout", 5*time.Second, "how long it may take to answer")
	err := settings.Read(set, "FUNNEL_HEALTH_", args, env)
	if errors.Is(err, flag.ErrHelp) {
		usage(stdout, set, "funnel health ends with 0 where a running funnel is ready, and with 1 where it is not.")
		return exitOK
	}
	if u, bad := url.Parse(address); err == nil && (bad != nil || u.Host == "") {
		err = fmt.Errorf("-url is %q: allowed is an address like http://127.0.0.1:8080", address)
	}
	if err != nil {
		fmt.Fprintf(stderr, "funnel health: %v\nSee funnel health -help.\n", err)
		return exitUsage
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := ready(ctx, address, stdout); err != nil {
		fmt.Fprintf(stderr, "funnel health: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// healthAddress is where a funnel with this environment can be reached from the
// same machine.
func healthAddress(env settings.Lookup) string {
	listen, ok := env(settings.Variable(settings.Prefix, "listen"))
	host, port, err := net.SplitHostPort(listen)
	if !ok || err != nil {
		return "http://127.0.0.1:8080"
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

func ready(ctx context.Context, address string, stdout io.Writer) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/readyz", nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %d: %s", response.StatusCode, body)
	}
	_, err = stdout.Write(body)
	return err
}
