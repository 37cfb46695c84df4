// SPDX-License-Identifier: GPL-2.0-only
#include "check.h"
int check(int argc, char **argv){return 0;}
