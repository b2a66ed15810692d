/* The time of day of a process, moved by as many seconds as the mapped file says at that moment.
 *
 * YEAR_CLOCK: the file, one long. YEAR_ALL: the clocks that only go forward are moved, too, as if the process had lived
 * through what was left out. Absolute waits on those are put back, since the kernel knows nothing of it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile long nothing, *ahead = &nothing;
static int all;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("YEAR_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = file < 0 ? MAP_FAILED : mmap(0, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
    if (path && mapped == MAP_FAILED)
        _exit(111);
    if (path)
        ahead = mapped;
    all = getenv("YEAR_ALL") != 0;
    close(file);
}

static int moves(clockid_t clock)
{
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        return 1;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        return all;
    }
    return 0;
}

#define NEXT(name)                                                                                 \
    static __typeof__(name) *next;                                                                 \
    if (!next)                                                                                     \
        next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

int clock_gettime(clockid_t clock, struct timespec *found)
{
    NEXT(clock_gettime);
    int failed = next(clock, found);
    if (!failed && moves(clock))
        found->tv_sec += *ahead;
    return failed;
}

int gettimeofday(struct timeval *restrict found, void *restrict zone)
{
    NEXT(gettimeofday);
    int failed = next(found, zone);
    if (!failed)
        found->tv_sec += *ahead;
    return failed;
}

time_t time(time_t *found)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (found)
        *found = now.tv_sec;
    return now.tv_sec;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left)
{
    NEXT(clock_nanosleep);
    struct timespec until = *wanted;
    if (flags & TIMER_ABSTIME && moves(clock))
        until.tv_sec -= *ahead;
    return next(clock, flags, &until, left);
}

int sem_clockwait(sem_t *restrict waits, clockid_t clock, const struct timespec *restrict wanted)
{
    NEXT(sem_clockwait);
    struct timespec until = *wanted;
    if (moves(clock))
        until.tv_sec -= *ahead;
    return next(waits, clock, &until);
}
