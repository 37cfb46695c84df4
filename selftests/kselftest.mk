# SPDX-License-Identifier: GPL-2.0-only
# Builds the test programs of one folder, one C file each, with kselftest's lib.mk.
# lib/ is linked into those of host/.

OUTPUT := $(O)
TEST_GEN_PROGS := $(patsubst %.c,%,$(wildcard *.c))

CFLAGS ?= -O2 -g
CFLAGS += -std=gnu17 -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers \
	-Wno-sign-compare -I../../include/uapi -I../lib -I. -I$(KSELFTEST_DIR)
LDLIBS += -pthread
ifeq ($(notdir $(CURDIR)),guest)
LDFLAGS += -static
else
lib := $(patsubst ../lib/%.c,$(OUTPUT)/lib/%.o,$(wildcard ../lib/*.c))
endif

include $(KSELFTEST_DIR)/lib.mk

LOCAL_HDRS += $(wildcard *.h ../lib/*.h ../../include/uapi/linux/*.h) $(OUTPUT)/.folder

$(TEST_GEN_PROGS): $(LOCAL_HDRS) $(lib)

$(OUTPUT)/lib/%.o: ../lib/%.c $(LOCAL_HDRS)
	$(call msg,CC,,$@)
	$(Q)$(CC) $(CFLAGS) -c -o $@ $<

$(OUTPUT)/.folder:
	$(Q)mkdir -p $(OUTPUT)/lib
	$(Q)touch $@
