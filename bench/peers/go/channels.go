package main

func rendezvous(n int) int64 {
	ping, pong := make(chan int), make(chan int)
	go handOn(ping, pong, n)
	total := 0
	for i := 0; i < n; i++ {
		ping <- i
		total += <-pong
	}
	expectTotal(total, sumBelow(n))
	return 0
}

func handOn(from <-chan int, to chan<- int, messages int) {
	for i := 0; i < messages; i++ {
		to <- <-from
	}
}

func stream(n int) int64 {
	messages := make(chan int, 128)
	go func() {
		for i := 0; i < n; i++ {
			messages <- 1
		}
		close(messages)
	}()
	total := 0
	for one := range messages {
		total += one
	}
	expectTotal(total, n)
	return 0
}

func channels(ways int) []chan int {
	made := make([]chan int, ways)
	for i := range made {
		made[i] = make(chan int)
	}
	return made
}

func sendInTurn(to []chan int, n int) {
	for i := 0; i < n; i++ {
		to[i%len(to)] <- i
	}
}

func select2(n int) int64 {
	from := channels(2)
	go sendInTurn(from, n)
	total := 0
	for i := 0; i < n; i++ {
		select {
		case value := <-from[0]:
			total += value
		case value := <-from[1]:
			total += value
		}
	}
	expectTotal(total, sumBelow(n))
	return 0
}

func select8(n int) int64 {
	from := channels(8)
	go sendInTurn(from, n)
	total := 0
	for i := 0; i < n; i++ {
		select {
		case value := <-from[0]:
			total += value
		case value := <-from[1]:
			total += value
		case value := <-from[2]:
			total += value
		case value := <-from[3]:
			total += value
		case value := <-from[4]:
			total += value
		case value := <-from[5]:
			total += value
		case value := <-from[6]:
			total += value
		case value := <-from[7]:
			total += value
		}
	}
	expectTotal(total, sumBelow(n))
	return 0
}

func chain(messages int) int64 {
	const links = 1000
	first := make(chan int)
	last := first
	for i := 1; i < links; i++ {
		next := make(chan int)
		go handOn(last, next, messages)
		last = next
	}
	go sendInTurn([]chan int{first}, messages)
	total := 0
	for i := 0; i < messages; i++ {
		total += <-last
	}
	expectTotal(total, sumBelow(messages))
	return 0
}

func sieve(last int) int64 {
	numbers := make(chan int)
	go count(numbers, last)
	largest := 0
	for {
		prime, more := <-numbers
		if !more {
			break
		}
		largest = prime
		some := make(chan int)
		go filter(numbers, some, prime)
		numbers = some
	}
	expectTotal(largest, last)
	return 0
}

func count(numbers chan<- int, last int) {
	for n := 2; n <= last; n++ {
		numbers <- n
	}
	close(numbers)
}

func filter(all <-chan int, some chan<- int, prime int) {
	for number := range all {
		if number%prime != 0 {
			some <- number
		}
	}
	close(some)
}
