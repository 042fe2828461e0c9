module outfitter.dev/builder

go 1.26.0
