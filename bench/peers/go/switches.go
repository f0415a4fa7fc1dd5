package main

import (
	"context"
	"runtime"
	"sync"
	"time"
)

func yield(n int) int64 {
	const tasks = 10
	turnsEach := (n + tasks - 1) / tasks
	turns := 0
	var all sync.WaitGroup
	for i := 0; i < tasks; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := 0; i < turnsEach; i++ {
				turns++
				runtime.Gosched()
			}
		}()
	}
	all.Wait()
	expectTotal(turns, turnsEach*tasks)
	return 0
}

// A task has a value that can be waited for on its own, so each has a channel for it. To wait for
// all of them at once and for no value, a WaitGroup is cheaper.
func spawnJoin(n int) int64 {
	const batch = 1000
	total := 0
	for left := n; left > 0; left -= batch {
		count := batch
		if left < batch {
			count = left
		}
		values := make([]chan int, count)
		for i := range values {
			value := make(chan int)
			values[i] = value
			go func() { value <- 1 }()
		}
		for _, value := range values {
			total += <-value
		}
	}
	expectTotal(total, n)
	return 0
}

// A tree of contexts, so that the root's cancel goes down it, and a WaitGroup for the ends.
func abort(n int) int64 {
	var started, ended sync.WaitGroup
	started.Add(n)
	ended.Add(n)
	root, cancel := context.WithCancel(context.Background())
	go node(root, 0, n, &started, &ended)
	started.Wait()
	start := time.Now()
	cancel()
	ended.Wait()
	return time.Since(start).Nanoseconds()
}

func node(parent context.Context, id, n int, started, ended *sync.WaitGroup) {
	defer ended.Done()
	own, cancel := context.WithCancel(parent)
	defer cancel()
	for child := id*10 + 1; child <= id*10+10 && child < n; child++ {
		go node(own, child, n, started, ended)
	}
	started.Done()
	<-own.Done()
}

func sleepers(n int) int64 {
	awake := 0
	var all sync.WaitGroup
	for i := 0; i < n; i++ {
		all.Add(1)
		duration := time.Millisecond + time.Duration(i*7919%10_000)*time.Microsecond
		go func() {
			defer all.Done()
			time.Sleep(duration)
			awake++
		}()
	}
	all.Wait()
	expectTotal(awake, n)
	return 0
}
