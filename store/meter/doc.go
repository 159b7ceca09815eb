// Package meter is what limits are made of: their rules, the demands that a
// call makes of them, their arithmetic, and the interface of whoever keeps
// their state. It knows no plan and no key, so that a store can decide by
// itself, in one round trip.
//
// There are two sorts of limits. Rates free themselves as time goes by: Rate
// and Window. Counters are taken from and given back: Allowance, Balance,
// Capacity and Slots. What a call takes from counters it can hold under a name
// until it is known what became of the call.
//
// # Arithmetic
//
// A keeper in this language leaves all of it to [Taking.Decide] and
// [Settlement.Resolve]. One that decides elsewhere, in a script on a server,
// must come to the same result to the microsecond; this is all that it has to
// know. Everything is a whole number: units up to 2^53-1, instants and spans in
// microseconds. "/" rounds down. F is 2^51, the greatest span. A limit has what
// one has who was never seen: zeros, no holds, no appointments.
//
// Rate keeps full, the instant at which all of it is free.
//
//	per   = Per in microseconds, rounded up, from 1 to F
//	step  = (per-1)/limit + 1       what one unit takes; limit is at least 1
//	depth = min(step*burst, F/step*step)
//	span  = max(per, depth)         one window
//	if full <= now or full-now > depth: full = now
//	room      = now + depth - full
//	remaining = room/step           reset = full
//	never     = cost > depth/step
//	wait      = max(cost*step - room, 0)
//	charge:     full = full + cost*step
//	correct:    n = Kept-Cost, from -depth/step to depth/step
//	            full = full + n*step, from now to now+depth
//
// Window keeps full, its end, and used. It begins with its first call.
//
//	span = per
//	if full <= now or full-now > per: full, used = now, 0
//	remaining = max(limit-used, 0)  reset = full
//	never     = cost > limit
//	wait      = 0 if cost <= remaining, else full - now
//	charge:     if full = now: full = now + per;  used = used + cost
//	correct:    n = Kept-Cost; nothing if full = now and n <= 0; else as charge,
//	            used = used + n, from 0 to limit
//
// The counters keep used, for good, and holds: name, amount, claims, until,
// lease. Allowance also keeps end, the first instant after its period in UTC.
//
//	Allowance: if the period that now is in does not end at end: end = that,
//	           used = 0, and the amount of each hold = 0
//	each hold with until <= now goes: Allowance, Balance: used = used + amount
//	each hold with until > now + lease (the clock went back): until = now + lease
//	held      = sum of amounts
//	room      = limit - used - held; Balance: -used - held
//	remaining = max(room, 0)
//	refused   = cost > 0 and cost > room and the hold is not there
//	never     = refused and cost > limit, not for Balance
//	wait      = end - now for Allowance
//	charge:     without a hold: used = used + cost; with one that is not there
//	            yet: amount = cost, claims = Claim alone. To claims that are known
//	            and not none, Claim is added unless it is there; if that makes more
//	            than MaxClaims they are crowded: none is known from then on.
//	            until = max(until, now + Lease or Keep), lease = until - now
//	settle:     nothing if the hold is not there or has no claims. Left: nothing if
//	            Claim is not known; it is taken out, and the hold goes with the
//	            last one. Otherwise, if Claim is 0 or known or the hold is crowded,
//	            it goes, and if its amount was above 0, used = used + Kept; not for
//	            Slots. Else it goes if Whole, and nothing if not
//	correct:    without a hold: used = used + Kept - Cost, at least 0; Balance may
//	            go below, which is how it is paid in; nothing for Slots
//	once:       nothing if the hold is there; else correct, and it is there with
//	            amount 0, no claims, until = now + Once, lease = Once
//
// A Taking is refused if one of its limits refuses; then nothing is charged, no
// hold claimed, and each limit's remaining is what it was. A cost of 0 is never
// refused and never changes anything.
//
// # Appointments
//
// When nothing but rates refuses, and none with never, the call gets an
// appointment, in all its rates of cost above 0. Each keeps booked, made and at
// most [Remembered] appointments, in the order in which they were made: caller,
// cost, at. Before any decision they are pruned:
//
//	made > now:                 all go (the clock went back)
//	at + min(1 s, span) <= now: it goes, and Rate: booked = booked - cost*step,
//	                            Window: booked = booked - cost
//	when the last one goes, here or below: booked = made = 0
//
// The caller keeps its appointment if it has one in each of those rates, of the
// same cost, with at > now and at >= now + wait; it is told the latest at.
// Otherwise its appointments are cancelled, first in all rates: they go, and
// booked is reduced as above; for Rate only if it was the newest. Then
//
//	Rate:   first = max(max(full, booked) + cost*step - depth, now)
//	Window: first = now                       if used + booked + cost <= limit
//	        later = min((booked+cost-1)/limit, F/per) * per
//	        first = full + later + per        if full = now
//	              = full + later              if no at is that late
//	              = last + max((now+per+later-last)/(limit+1), 1), last being
//	                the latest at; limit at most F here
//	when  = the latest first
//
// If when is beyond now + the longest span of those rates, it is that, and
// nothing is booked. Otherwise each rate gets an appointment at when, the oldest
// one going without a change of booked where there are Remembered of them, and
//
//	made  = now
//	Rate:   booked = max(booked, full, when) + cost*step
//	Window: booked = booked + cost
//
// The refused rate with the longest wait, the first of those, is told
// max(wait, when - now); the others their wait.
//
// When a call is charged: the caller's appointment goes where it has one, for
// Window with booked = booked - its cost. Where it has none, Window: booked =
// booked - min(cost, booked - the costs of all its appointments).
package meter
