package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"sort"
)

// options is the command line.
type options struct {
	address, namespace string
	clusters           []*cluster
}

// cluster is one behind the address, with unused ids of workflows that live there.
type cluster struct {
	name string
	ids  []string
}

// id is the next unused one.
func (c *cluster) id() string {
	if len(c.ids) == 0 {
		panic("the ids of cluster " + c.name + " are used up: give more")
	}
	next := c.ids[0]
	c.ids = c.ids[1:]
	return next
}

func parse(arguments []string) (*options, error) {
	flags := flag.NewFlagSet("checklist", flag.ContinueOnError)
	address := flags.String("address", "", "where the SDK is pointed at, HOST:PORT")
	namespace := flags.String("namespace", "default", "the namespace")
	file := flags.String("ids", "", "JSON: cluster name -> unused workflow ids that live there; without it one cluster with any ids")
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	if *address == "" {
		return nil, errors.New("say where with --address HOST:PORT")
	}
	wanted := &options{address: *address, namespace: *namespace}
	ids := map[string][]string{}
	if *file == "" {
		for n := range 200 {
			ids["direct"] = append(ids["direct"], fmt.Sprintf("go-%d-%d", os.Getpid(), n))
		}
	} else {
		text, err := os.ReadFile(*file)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &ids); err != nil {
			return nil, fmt.Errorf("%s: %w", *file, err)
		}
	}
	for name := range ids {
		wanted.clusters = append(wanted.clusters, &cluster{name: name, ids: ids[name]})
	}
	sort.Slice(wanted.clusters, func(i, j int) bool {
		return wanted.clusters[i].name < wanted.clusters[j].name
	})
	return wanted, nil
}
