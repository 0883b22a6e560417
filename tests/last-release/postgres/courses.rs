//! The statements of the course store on PostgreSQL.

/// The newest row of a series is the current course.
pub(super) const ACTUAL_COURSES: &str = "
    select s.id, s.exchanger, s.direction, c.since, c.until, c.value_e8, c.kind, c.simulated
    from course_series s
    join courses c on c.series_id = s.id and c.since = (select max(since) from courses where series_id = s.id)
    order by s.direction, s.exchanger";

pub(super) const ACTUAL_COURSES_BY_KEY: &str = "
    select s.id, s.exchanger, s.direction, c.since, c.value_e8, c.kind, c.simulated
    from unnest($1::text[], $2::text[]) as wanted (exchanger, direction)
    join course_series s on s.exchanger = wanted.exchanger and s.direction = wanted.direction
    join courses c on c.series_id = s.id and c.since = (select max(since) from courses where series_id = s.id)";

pub(super) const END_COURSES: &str = "
    update courses c set until = ended.until
    from unnest($1::integer[], $2::timestamptz[], $3::timestamptz[]) as ended (series_id, since, until)
    where c.series_id = ended.series_id and c.since = ended.since and c.until is null";

pub(super) const INSERT_SERIES: &str = "
    insert into course_series (exchanger, direction)
    select exchanger, direction from unnest($1::text[], $2::text[]) as incoming (exchanger, direction)
    on conflict do nothing";

pub(super) const INSERT_COURSES: &str = "
    insert into courses (series_id, since, value_e8, kind, simulated)
    select s.id, began.since, began.value_e8, began.kind, began.simulated
    from unnest($1::text[], $2::text[], $3::timestamptz[], $4::bigint[], $5::text[], $6::boolean[])
        as began (exchanger, direction, since, value_e8, kind, simulated)
    join course_series s on s.exchanger = began.exchanger and s.direction = began.direction";

pub(super) const SERIES_BY_NAME: &str = "
    select id from course_series
    where id >= $1 and ($2::text is null or exchanger = $2) and ($3::text is null or direction = $3)
    order by id";

/// Reads at most one page of each series.
pub(super) const PAST_COURSES: &str = "
    select s.id, s.exchanger, s.direction, c.since, c.until, c.value_e8, c.kind, c.simulated
    from course_series s
    cross join lateral (
        select c.since, c.until, c.value_e8, c.kind, c.simulated from courses c
        where c.series_id = s.id
            and c.since >= greatest(
                -- The course in effect at the start began before it.
                coalesce((select max(since) from courses where series_id = s.id and since <= $2), $2),
                case s.id when $4 then $5 else 'epoch' end
            )
            and c.since < $3
            and (c.until is null or c.until > $2)
        order by c.since
        limit $6
    ) c
    where s.id = any($1)
    order by s.id, c.since
    limit $6";

/// Combines the stored candles of the page with candles computed from rows that are not aggregated yet: the hours of
/// the current day, the minutes of the current hour, and the courses of the current minute.
pub(super) const CANDLES: &str = "
    select
        s.id, s.exchanger, s.direction, c.start, c.open_e8, c.high_e8, c.low_e8, c.close_e8, c.changes, c.simulated
    from (
        select
            id, exchanger, direction, minutes_until, hours_until, days_until,
            greatest($2::timestamptz, case id when $4 then $5 else 'epoch' end) as lower,
            $3::timestamptz as upper
        from course_series
        where id = any($1)
    ) s
    cross join lateral (
        select
            date_bin(make_interval(secs => $7), at, 'epoch') as start,
            (array_agg(open_e8 order by at))[1] as open_e8,
            max(high_e8) as high_e8,
            min(low_e8) as low_e8,
            (array_agg(close_e8 order by at desc))[1] as close_e8,
            sum(changes) as changes,
            bool_or(simulated) as simulated
        from (
            (
                select start as at, open_e8, high_e8, low_e8, close_e8, changes, simulated
                from course_candles
                where width_secs = $7 and series_id = s.id and start >= s.lower and start < s.upper
                order by start
                limit $6
            )
            union all
            select start, open_e8, high_e8, low_e8, close_e8, changes, simulated
            from course_candles
            where $7 > 3600 and width_secs = 3600 and series_id = s.id
                and start >= greatest(s.lower, s.days_until) and start < s.upper
            union all
            select start, open_e8, high_e8, low_e8, close_e8, changes, simulated
            from course_candles
            where $7 > 60 and width_secs = 60 and series_id = s.id
                and start >= greatest(s.lower, s.hours_until) and start < s.upper
            union all
            select since, value_e8, value_e8, value_e8, value_e8, 1, simulated
            from courses
            where series_id = s.id and since >= greatest(s.lower, s.minutes_until) and since < s.upper
        ) parts
        group by 1
        order by 1
        limit $6
    ) c
    order by s.id, c.start
    limit $6";

/// The time until which each series is aggregated into candles of a width, and the first row that is not aggregated.
pub(super) const FOLD_PROGRESS: &str = "
    with progress as (
        select
            id,
            case $1 when 60 then minutes_until when 3600 then hours_until else days_until end as folded,
            case $1
                when 60 then (select max(since) from courses where series_id = id)
                when 3600 then minutes_until
                else hours_until
            end as settled
        from course_series
    )
    select
        id,
        folded,
        settled,
        case $1
            when 60 then (select min(since) from courses where series_id = id and since >= folded)
            else (
                select min(start) from course_candles where width_secs = $2 and series_id = id and start >= folded
            )
        end as first
    from progress
    where date_bin(make_interval(secs => $1), settled, 'epoch') > folded
    order by id";

pub(super) const INSERT_CANDLES: &str = "
    insert into course_candles (
        width_secs, series_id, start, open_e8, high_e8, low_e8, close_e8, changes, simulated
    )
    select
        $4,
        series_id,
        date_bin(make_interval(secs => $4), at, 'epoch') as start,
        (array_agg(open_e8 order by at))[1],
        max(high_e8),
        min(low_e8),
        (array_agg(close_e8 order by at desc))[1],
        sum(changes),
        bool_or(simulated)
    from unnest($1::integer[], $2::timestamptz[], $3::timestamptz[]) as fold (series_id, lower, upper)
    cross join lateral (
        select
            since as at, value_e8 as open_e8, value_e8 as high_e8, value_e8 as low_e8, value_e8 as close_e8,
            1 as changes, simulated
        from courses
        where $5 = 0 and series_id = fold.series_id and since >= fold.lower and since < fold.upper
        union all
        select start, open_e8, high_e8, low_e8, close_e8, changes, simulated
        from course_candles
        where $5 > 0 and width_secs = $5 and series_id = fold.series_id and start >= fold.lower and start < fold.upper
    ) parts
    group by 2, 3";

pub(super) const MARK_FOLDED: &str = "
    update course_series s
    set
        minutes_until = case $3 when 60 then fold.upper else minutes_until end,
        hours_until = case $3 when 3600 then fold.upper else hours_until end,
        days_until = case $3 when 86400 then fold.upper else days_until end
    from unnest($1::integer[], $2::timestamptz[]) as fold (series_id, upper)
    where s.id = fold.series_id";

pub(super) const REMOVE_COURSES: &str = "
    delete from courses where ctid = any(array(
        select c.ctid
        from course_series s
        join courses c on c.series_id = s.id and c.since < least($1, s.minutes_until) and c.until <= $1
        limit $2
    ))";

pub(super) const REMOVE_CANDLES: &str = "
    delete from course_candles where ctid = any(array(
        select k.ctid
        from course_series s
        join course_candles k on k.width_secs = $3 and k.series_id = s.id
            and k.start <= $1
            -- Days are not folded further.
            and k.start < case $3 when 60 then s.hours_until when 3600 then s.days_until else 'infinity' end
        limit $2
    ))";
