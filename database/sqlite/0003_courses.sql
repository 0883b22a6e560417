-- Courses: what each exchange said of each direction, from when to when, and candles of it for the time before. The columns
-- are explained on PostgreSQL. Times are whole microseconds since 1970 in UTC.
--
-- A course is written down when it changed. The newest row of an exchange and direction is the actual one: it has no end.
-- To change it is to end it and to add a row; nothing else is ever changed in a row.

create table course_series (
    id integer constraint course_series_pkey primary key,
    exchanger text not null
        constraint course_series_exchanger_in_length check (length(exchanger) between 1 and 32),
    direction text not null
        constraint course_series_direction_in_form check (direction glob '[A-Z0-9][A-Z0-9]*-[A-Z0-9][A-Z0-9]*'),
    minutes_until integer not null default 0,
    hours_until integer not null default 0,
    days_until integer not null default 0,
    constraint course_series_exchanger_direction_key unique (exchanger, direction),
    constraint course_series_is_folded_in_turn check (days_until <= hours_until and hours_until <= minutes_until)
) strict;

-- Without a row id: what is read together, a part of one series, lies together.
create table courses (
    series_id integer not null,
    since integer not null,
    until integer constraint courses_end_after_they_begin check (until > since),
    value_e8 integer not null constraint courses_value_is_positive check (value_e8 > 0),
    kind text not null constraint courses_kind_is_known check (kind in ('trade', 'index', 'fixing')),
    simulated integer not null constraint courses_simulated_is_boolean check (simulated in (0, 1)),
    constraint courses_pkey primary key (series_id, since)
) strict, without rowid;

-- At most one actual course for an exchange and direction, whatever a program does.
create unique index courses_one_is_actual on courses (series_id) where until is null;

create table course_candles (
    series_id integer not null,
    width_secs integer not null constraint course_candles_width_is_known check (width_secs in (60, 3600, 86400)),
    start integer not null,
    open_e8 integer not null,
    high_e8 integer not null,
    low_e8 integer not null,
    close_e8 integer not null,
    changes integer not null constraint course_candles_changes_is_positive check (changes > 0),
    simulated integer not null constraint course_candles_simulated_is_boolean check (simulated in (0, 1)),
    constraint course_candles_pkey primary key (width_secs, series_id, start),
    constraint course_candles_is_in_order check (
        0 < low_e8 and low_e8 <= min(open_e8, close_e8) and max(open_e8, close_e8) <= high_e8
    )
) strict, without rowid;

create view courses_readable as
select
    s.exchanger,
    s.direction,
    printf('%d.%08d', c.value_e8 / 100000000, c.value_e8 % 100000000) as value,
    c.until is null as actual,
    strftime('%Y-%m-%dT%H:%M:%S', c.since / 1000000, 'unixepoch') || printf('.%06dZ', c.since % 1000000) as since,
    strftime('%Y-%m-%dT%H:%M:%S', c.until / 1000000, 'unixepoch') || printf('.%06dZ', c.until % 1000000) as until,
    c.kind,
    c.simulated
from courses c
join course_series s on s.id = c.series_id
order by c.since desc;
