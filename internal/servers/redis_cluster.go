package servers

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const clusterSlots = 16_384

// RedisCluster is some servers that share the slots evenly, without replicas.
type RedisCluster struct{ Nodes []*RedisServer }

// NewRedisCluster starts a cluster; Close ends it.
func NewRedisCluster(nodes int, opts RedisOptions) (_ *RedisCluster, err error) {
	c := &RedisCluster{}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	opts.Cluster = true
	for range nodes {
		node, err := NewRedis(opts)
		if err != nil {
			return nil, err
		}
		c.Nodes = append(c.Nodes, node)
	}
	for i, node := range c.Nodes {
		first, last := i*clusterSlots/nodes, (i+1)*clusterSlots/nodes-1
		if _, err := node.Do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last)); err != nil {
			return nil, fmt.Errorf("servers: sharing the slots: %w", err)
		}
		// Nodes whose epochs differ have nothing to settle when they meet.
		if _, err := node.Do("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1)); err != nil {
			return nil, fmt.Errorf("servers: numbering the nodes: %w", err)
		}
		if i == 0 {
			continue
		}
		port, bus := strconv.Itoa(node.port), strconv.Itoa(node.busPort)
		if _, err := c.Nodes[0].Do("CLUSTER", "MEET", "127.0.0.1", port, bus); err != nil {
			return nil, fmt.Errorf("servers: joining the nodes: %w", err)
		}
	}
	return c, c.Await()
}

// Await returns when every node takes all slots as served.
func (c *RedisCluster) Await() error {
	for _, node := range c.Nodes {
		err := node.await(func() error {
			info, err := node.Do("CLUSTER", "INFO")
			if err != nil {
				return err
			}
			for _, want := range []string{"cluster_state:ok", fmt.Sprintf("cluster_known_nodes:%d", len(c.Nodes))} {
				if !strings.Contains(info, want) {
					return fmt.Errorf("the cluster is not there yet: no %s", want)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Close ends all nodes.
func (c *RedisCluster) Close() error {
	errs := make([]error, 0, len(c.Nodes))
	for _, node := range c.Nodes {
		errs = append(errs, node.Close())
	}
	return errors.Join(errs...)
}

// Cluster starts a cluster that ends with the test.
func Cluster(t testing.TB, nodes int, opts RedisOptions) *RedisCluster {
	t.Helper()
	c, err := NewRedisCluster(nodes, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// URL names all nodes.
func (c *RedisCluster) URL() string {
	addrs := make([]string, len(c.Nodes))
	for i, node := range c.Nodes {
		addrs[i] = node.Addr()
	}
	url := c.Nodes[0].URL()
	return strings.Replace(url, addrs[0], strings.Join(addrs, ","), 1)
}

// SharedCluster is one cluster of three nodes for all tests of a binary, as
// SharedRedis is one server.
type SharedCluster struct {
	// Options of the nodes. They may not change after the first use.
	Options RedisOptions

	once    sync.Once
	cluster *RedisCluster
	err     error
}

// Get returns the cluster. It fails the test if it could not be started.
func (s *SharedCluster) Get(t testing.TB) *RedisCluster {
	t.Helper()
	s.once.Do(func() { s.cluster, s.err = NewRedisCluster(3, s.Options) })
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.cluster
}

// Close ends the cluster if there is one.
func (s *SharedCluster) Close() error {
	if s.cluster == nil {
		return nil
	}
	return s.cluster.Close()
}
