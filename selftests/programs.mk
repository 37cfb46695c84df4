# SPDX-License-Identifier: GPL-2.0-only
# What the folders of programs for L1 have in common. Each says which there are in "tests",
# and which files all of them share, beside lib/, in "parts".

here := $(patsubst %/,%,$(dir $(abspath $(firstword $(MAKEFILE_LIST)))))
O ?= $(here)/../../build/selftests/$(notdir $(here))
KSELFTEST_DIR ?= $(O)/../kselftest
CFLAGS ?= -O2 -g

lib := $(notdir $(wildcard $(here)/../lib/*.c))
objs := $(lib:%.c=$(O)/obj/lib-%.o) $(parts:%=$(O)/obj/%.o)

flags := -std=gnu11 -fno-strict-aliasing -Wall -Wextra -Wno-missing-field-initializers \
	-Wno-unused-parameter -Wno-sign-compare -Wno-format-truncation -pthread \
	-I$(here)/../lib -I$(here)/../../include/uapi -isystem $(KSELFTEST_DIR)

all: $(tests:%=$(O)/%)

$(O)/obj/lib-%.o: $(here)/../lib/%.c | $(O)/obj
	$(CC) $(CFLAGS) $(flags) -MMD -MP -c -o $@ $<

$(O)/obj/%.o: $(here)/%.c | $(O)/obj
	$(CC) $(CFLAGS) $(flags) -MMD -MP -c -o $@ $<

$(O)/%: $(O)/obj/%.o $(objs)
	$(CC) $(CFLAGS) -pthread -o $@ $^ $(LDFLAGS)

$(O)/obj:
	mkdir -p $@

clean:
	rm -rf $(O)/obj $(tests:%=$(O)/%)

-include $(wildcard $(O)/obj/*.d)

.PHONY: all clean
.SECONDARY:
