"""The parts of bench/peers: workloads, mail, the sink, one file a peer, measuring, tables."""
