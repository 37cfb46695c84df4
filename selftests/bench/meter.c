// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a VMM whose guest is guest.c, and measures it from outside.
 *
 * usage: meter [-i NAME=INTERFACE] [-g NAME=CGROUP] CGROUP GUEST-BYTES COMMAND [ARG...]
 *
 * -i and -g, of which there may be several, have more sampled: the traffic of a
 * network interface, or the CPU time of another cgroup.
 *
 * The guest's console is COMMAND's standard input and output. What to do comes
 * from the meter's own standard input, and each line of it gets one line of
 * JSON:
 *
 *	wait WORD	until the guest says WORD, or "exit": until the VMM ends
 *	run ...		passed on to the guest, measured from its "begin" to its "end"
 *	memory		what the VMM has resident
 *	off		tells the guest to power off
 *
 * At the end of its input the VMM is killed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sample.h"

#define PATIENCE_NS	120e9
#define MARK		"bench: "

struct vm {
	struct subject subject;
	double guest_bytes;
	double started;
	int to;			/* the guest's keyboard */
	int from;		/* the guest's screen */
	char text[4096];	/* what was read from it */
	size_t len;
	char line[256];		/* the line of the guest that came last, without MARK */
	char other[160];	/* the one without, which may be its kernel's last words */
};

static void die(const char *what)
{
	fprintf(stderr, "meter: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void child(const struct vm *vm, int in, int out, char **argv)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", vm->subject.cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(path);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	execvp(argv[0], argv);
	die(argv[0]);
}

static void start(struct vm *vm, char **argv)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		die("pipe");
	vm->started = now_ns();
	vm->subject.pid = fork();
	if (vm->subject.pid < 0)
		die("fork");
	if (!vm->subject.pid)
		child(vm, in[0], out[1], argv);
	close(in[0]);
	close(out[1]);
	vm->to = in[1];
	vm->from = out[0];
}

/* Takes a whole line out of the text, if there is one. */
static bool take_line(struct vm *vm)
{
	char *end = memchr(vm->text, '\n', vm->len), *at;
	size_t len;

	if (!end)
		return false;
	*end = 0;
	at = strstr(vm->text, MARK);
	snprintf(vm->line, sizeof(vm->line), "%s", at ? at + strlen(MARK) : "");
	vm->line[strcspn(vm->line, "\r\"")] = 0;
	if (!at && vm->text[strspn(vm->text, "\r")]) {
		snprintf(vm->other, sizeof(vm->other), "%.*s", (int)sizeof(vm->other) - 1,
			 vm->text);
		vm->other[strcspn(vm->other, "\r\"\\")] = 0;
	}
	len = end + 1 - vm->text;
	vm->len -= len;
	memmove(vm->text, end + 1, vm->len);
	return true;
}

/* Returns false at the end of the VMM's output, or if it takes too long. */
static bool read_more(struct vm *vm, double until)
{
	struct pollfd fd = { .fd = vm->from, .events = POLLIN };
	double left = until - now_ns();
	ssize_t len;

	if (vm->len >= sizeof(vm->text) - 1)
		vm->len = 0;
	if (left <= 0 || poll(&fd, 1, left / 1e6 + 1) <= 0)
		return false;
	len = read(vm->from, vm->text + vm->len, sizeof(vm->text) - 1 - vm->len);
	if (len <= 0)
		return false;
	vm->len += len;
	return true;
}

/* Waits for a line that begins with @word. An error of the guest ends it too. */
static bool wait_line(struct vm *vm, const char *word)
{
	double until = now_ns() + PATIENCE_NS;

	for (;;) {
		while (take_line(vm)) {
			if (!strncmp(vm->line, word, strlen(word)))
				return true;
			if (!strncmp(vm->line, "error", 5))
				return false;
		}
		if (!read_more(vm, until)) {
			snprintf(vm->line, sizeof(vm->line), "no '%s' from the guest: %s", word,
				 vm->other);
			return false;
		}
	}
}

static void answer(const struct vm *vm, const char *what)
{
	printf("{\"%s\": \"%s\", \"seconds\": %.6f", what, vm->line,
	       (now_ns() - vm->started) / 1e9);
}

static void finish_answer(void)
{
	printf("}\n");
	fflush(stdout);
}

static void wait_exit(struct vm *vm)
{
	double until = now_ns() + PATIENCE_NS;
	static struct sample sample;
	int status = 0;

	while (read_more(vm, until))
		vm->len = 0;
	if (now_ns() >= until)
		kill(vm->subject.pid, SIGKILL);
	waitpid(vm->subject.pid, &status, 0);
	snprintf(vm->line, sizeof(vm->line), "status %d",
		 WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	answer(vm, "exit");
	sample_end(&sample, &vm->subject);
	sample_print(stdout, &sample, NULL);
	finish_answer();
	vm->subject.pid = 0;
}

static void do_wait(struct vm *vm, const char *word)
{
	static struct sample sample;
	bool good;

	if (!strcmp(word, "exit")) {
		wait_exit(vm);
		return;
	}
	good = wait_line(vm, word);
	answer(vm, good ? "wait" : "error");
	sample_end(&sample, &vm->subject);
	sample_print(stdout, &sample, NULL);
	finish_answer();
}

static bool send_line(struct vm *vm, const char *line)
{
	return dprintf(vm->to, "%s\n", line) > 0;
}

static void do_run(struct vm *vm, const char *line)
{
	static struct sample before, after;
	bool good = send_line(vm, line) && wait_line(vm, "begin");

	if (good) {
		sample_begin(&before, &vm->subject);
		good = wait_line(vm, "end");
	}
	if (good) {
		sample_end(&after, &vm->subject);
		good = wait_line(vm, "result");
	}
	answer(vm, good ? "result" : "error");
	if (good)
		sample_print(stdout, &after, &before);
	finish_answer();
}

static void do_memory(struct vm *vm)
{
	static struct sample sample;

	sample_memory(&sample, &vm->subject, vm->guest_bytes);
	printf("{\"memory\": \"\"");
	sample_print(stdout, &sample, NULL);
	finish_answer();
}

static void obey(struct vm *vm, const char *line)
{
	if (!strncmp(line, "wait ", 5)) {
		do_wait(vm, line + 5);
	} else if (!strncmp(line, "run ", 4)) {
		do_run(vm, line);
	} else if (!strcmp(line, "memory")) {
		do_memory(vm);
	} else if (!strcmp(line, "off")) {
		send_line(vm, line);
		wait_exit(vm);
	} else {
		errno = EINVAL;
		die(line);
	}
}

/* @text is NAME=WHAT, and is cut there. */
static bool add_extra(struct subject *subject, bool interface, char *text)
{
	struct extra *extra = &subject->extras[subject->nr_extras];
	char *what = strchr(text, '=');

	if (!what || subject->nr_extras == MAX_EXTRAS)
		return false;
	*what++ = 0;
	extra->name = text;
	if (interface)
		extra->interface = what;
	else
		extra->cgroup = what;
	subject->nr_extras++;
	return true;
}

static bool parse(struct vm *vm, int argc, char **argv)
{
	int option;

	/* COMMAND's options are its own. */
	while ((option = getopt(argc, argv, "+i:g:")) != -1) {
		if (option == '?' || !add_extra(&vm->subject, option == 'i', optarg))
			return false;
	}
	if (argc - optind < 3)
		return false;
	vm->subject.cgroup = argv[optind];
	vm->guest_bytes = atof(argv[optind + 1]);
	return true;
}

int main(int argc, char **argv)
{
	static struct vm vm;
	char line[256];

	if (!parse(&vm, argc, argv)) {
		fprintf(stderr, "usage: meter [-i NAME=INTERFACE] [-g NAME=CGROUP] CGROUP "
				"GUEST-BYTES COMMAND [ARG...]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	start(&vm, argv + optind + 2);
	while (vm.subject.pid && fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		obey(&vm, line);
	}
	if (vm.subject.pid) {
		kill(vm.subject.pid, SIGKILL);
		waitpid(vm.subject.pid, NULL, 0);
	}
	return 0;
}
