// SPDX-License-Identifier: GPL-2.0-only
#include "client.h"
int client_list(int argc, char **argv){return 0;}
int client_stat(int argc, char **argv){return 0;}
int client_ctl(int argc, char **argv){return 0;}
