/* SPDX-License-Identifier: GPL-2.0-only */
/* 6.12: no architecture has one of its own any more. */
#include <asm/unaligned.h>
