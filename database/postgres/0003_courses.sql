-- Courses: what each exchange said of each direction, from when to when, and candles of it for the time before.
--
-- A course is written down when it changed. The newest row of an exchange and direction is the actual one: it has no end.
-- To change it is to end it and to add a row; nothing else is ever changed in a row.

create table course_series (
    id integer generated always as identity constraint course_series_pkey primary key,
    -- Compared byte by byte: an order of words means nothing here.
    exchanger text collate "C" not null
        constraint course_series_exchanger_in_length check (length(exchanger) between 1 and 32),
    direction text collate "C" not null
        constraint course_series_direction_in_form check (direction ~ '^[A-Z0-9]{2,8}-[A-Z0-9]{2,8}$'),
    minutes_until timestamptz not null default 'epoch',
    hours_until timestamptz not null default 'epoch',
    days_until timestamptz not null default 'epoch',
    constraint course_series_exchanger_direction_key unique (exchanger, direction),
    constraint course_series_is_folded_in_turn check (days_until <= hours_until and hours_until <= minutes_until)
);

comment on table course_series is 'Each exchange and direction that a course was ever written down of. Gives them a short number, and says how far their courses are folded into candles.';
comment on column course_series.exchanger is 'The name of the exchange, such as kraken.';
comment on column course_series.direction is 'What is priced and what in: BTC-USD is how many dollars one bitcoin costs.';
comment on column course_series.minutes_until is 'Every course that began before this is in a candle of a minute, and none that began at it or later.';
comment on column course_series.hours_until is 'Every candle of a minute that starts before this is in a candle of an hour, and none that starts at it or later.';
comment on column course_series.days_until is 'Every candle of an hour that starts before this is in a candle of a day, and none that starts at it or later.';

create table courses (
    series_id integer not null,
    since timestamptz not null,
    until timestamptz constraint courses_end_after_they_begin check (until > since),
    value_e8 bigint not null constraint courses_value_is_positive check (value_e8 > 0),
    kind text not null constraint courses_kind_is_known check (kind in ('trade', 'index', 'fixing')),
    simulated boolean not null,
    constraint courses_pkey primary key (series_id, since)
);

-- At most one actual course for an exchange and direction, whatever a program does.
create unique index courses_one_is_actual on courses (series_id) where until is null;

comment on table courses is 'Courses as they were. Rows are added, ended once, and removed by age when they are folded into candles; the actual one never is. For people: see the view courses_readable.';
comment on column courses.series_id is 'The exchange and direction (course_series.id). No foreign key: series are never deleted, and the check would be paid for every change.';
comment on column courses.since is 'When it was first seen to be so.';
comment on column courses.until is 'When it was first seen to be otherwise, which is when the next row begins; null for the actual one.';
comment on column courses.value_e8 is 'How many units of the direction''s second asset one of its first costs, in hundred-millionths.';
comment on column courses.kind is 'trade: of an order book. index: computed by the source from several markets. fixing: an official rate of the day.';
comment on column courses.simulated is 'Whether it came from a simulated exchange.';

create table course_candles (
    series_id integer not null,
    width_secs integer not null constraint course_candles_width_is_known check (width_secs in (60, 3600, 86400)),
    start timestamptz not null,
    open_e8 bigint not null,
    high_e8 bigint not null,
    low_e8 bigint not null,
    close_e8 bigint not null,
    changes integer not null constraint course_candles_changes_is_positive check (changes > 0),
    simulated boolean not null,
    constraint course_candles_pkey primary key (width_secs, series_id, start),
    constraint course_candles_is_in_order check (
        0 < low_e8 and low_e8 <= least(open_e8, close_e8) and greatest(open_e8, close_e8) <= high_e8
    )
);

comment on table course_candles is 'The courses of one exchange and direction that began within a minute, an hour or a day (in UTC), folded into one row. Where none began there is no row. Rows are added and removed by age, and never changed.';
comment on column course_candles.width_secs is 'How long it is: 60, 3600 or 86400 seconds.';
comment on column course_candles.start is 'Its beginning; a whole multiple of its width since 1970.';
comment on column course_candles.open_e8 is 'The first course that began in it, in hundred-millionths.';
comment on column course_candles.close_e8 is 'The last course that began in it, in hundred-millionths.';
comment on column course_candles.changes is 'How many courses began in it.';
comment on column course_candles.simulated is 'Whether any of them was simulated.';

create view courses_readable as
select
    s.exchanger,
    s.direction,
    round(c.value_e8 / 100000000.0, 8) as value,
    c.until is null as actual,
    c.since,
    c.until,
    c.kind,
    c.simulated
from courses c
join course_series s on s.id = c.series_id
order by c.since desc;

comment on view courses_readable is 'Courses as a person reads them, newest first.';
