# SPDX-License-Identifier: Apache-2.0
"""What ``memstore-top`` is made of: where metrics are read, what is learned from two readings, and how it is shown."""
