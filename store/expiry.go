package store

// expiryHeap holds the entries that have a deadline, the earliest first; each
// entry knows its place, so that a rewritten or deleted one leaves at once and
// the heap is never longer than the records it stands for.
type expiryHeap []*entry

func (h expiryHeap) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h expiryHeap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent].deadline <= h[i].deadline {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h expiryHeap) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if h[child].deadline < h[least].deadline {
				least = child
			}
		}
		if least == i {
			return
		}
		h.swap(i, least)
		i = least
	}
}

func (h *expiryHeap) add(e *entry) {
	e.place = len(*h)
	*h = append(*h, e)
	h.up(e.place)
}

// fix restores the order after the deadline of e has changed.
func (h expiryHeap) fix(e *entry) {
	h.up(e.place)
	h.down(e.place)
}

func (h *expiryHeap) remove(e *entry) {
	i, last := e.place, len(*h)-1
	if i != last {
		h.swap(i, last)
	}
	(*h)[last] = nil
	*h = (*h)[:last]
	if i != last {
		h.fix((*h)[i])
	}
}
