package inventory

// Programme counts communities (社区), never the compounds (小区) in them.
type Programme struct {
	All, Participating, Met, Named int
}

// Programme counts the communities by stage. A community that has been named has
// met the requirements, and one that has participates.
func (inv *Inventory) Programme() Programme {
	p := Programme{All: len(inv.Communities)}
	for _, c := range inv.Communities {
		switch c.Stage {
		case "named":
			p.Named++
			p.Met++
			p.Participating++
		case "met":
			p.Met++
			p.Participating++
		case "participating":
			p.Participating++
		}
	}
	return p
}

// MetRatio is the share of all communities, not of those that participate,
// that have met the requirements: what the target of 60 % is about.
func (p Programme) MetRatio() float64 {
	if p.All == 0 {
		return 0
	}
	return float64(p.Met) / float64(p.All)
}
