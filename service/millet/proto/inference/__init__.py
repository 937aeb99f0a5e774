"""The KServe inference protocol, version 2, as far as Millet speaks it."""
