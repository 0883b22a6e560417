//! The statements of the course store on SQLite. Several rows are passed to a statement as one JSON array.
//!
//! A cross join fixes the order in which tables are read. Without it, the planner may choose to read every course.

/// The newest row of a series is the current course.
pub(super) const ACTUAL_COURSES: &str = "
    select s.id, s.exchanger, s.direction, c.since, c.until, c.value_e8, c.kind, c.simulated
    from course_series s
    cross join courses c on c.series_id = s.id and c.since = (select max(since) from courses where series_id = s.id)
    order by s.direction, s.exchanger";

pub(super) const ACTUAL_COURSES_BY_KEY: &str = "
    select s.id, s.exchanger, s.direction, c.since, c.value_e8, c.kind, c.simulated
    from json_each(?1) as wanted
    cross join course_series s on s.exchanger = wanted.value ->> 0 and s.direction = wanted.value ->> 1
    cross join courses c on c.series_id = s.id and c.since = (select max(since) from courses where series_id = s.id)";

pub(super) const END_COURSES: &str = "
    update courses set until = ended.value ->> 2
    from json_each(?1) as ended
    where courses.series_id = ended.value ->> 0 and courses.since = ended.value ->> 1 and courses.until is null";

pub(super) const INSERT_SERIES: &str = "
    insert into course_series (exchanger, direction)
    select value ->> 0, value ->> 1 from json_each(?1) where true
    on conflict do nothing";

pub(super) const INSERT_COURSES: &str = "
    insert into courses (series_id, since, value_e8, kind, simulated)
    select s.id, began.value ->> 2, began.value ->> 3, began.value ->> 4, began.value ->> 5
    from json_each(?1) as began
    cross join course_series s on s.exchanger = began.value ->> 0 and s.direction = began.value ->> 1";

pub(super) const SERIES_BY_NAME: &str = "
    select id from course_series
    where id >= ?1 and (?2 is null or exchanger = ?2) and (?3 is null or direction = ?3)
    order by id";

/// Reads one series after the other in the order of the index. No sort is needed, so reading stops when the page is
/// full.
pub(super) const PAST_COURSES: &str = "
    select s.id, s.exchanger, s.direction, c.since, c.until, c.value_e8, c.kind, c.simulated
    from course_series s
    cross join courses c
    where s.id in (select value from json_each(?1))
        and c.series_id = s.id
        and c.since >= max(
            -- The course in effect at the start began before it.
            coalesce((select max(since) from courses where series_id = s.id and since <= ?2), ?2),
            iif(s.id = ?4, ?5, 0)
        )
        and c.since < ?3
        and (c.until is null or c.until > ?2)
    order by s.id, c.since
    limit ?6";

/// Combines the stored candles of the page with candles computed from rows that are not aggregated yet: the hours of
/// the current day, the minutes of the current hour, and the courses of the current minute.
pub(super) const CANDLES: &str = "
    with
        wanted as (
            select id, minutes_until, hours_until, days_until, max(?2, iif(id = ?4, ?5, 0)) as lower
            from course_series
            where id in (select value from json_each(?1))
        ),
        parts as (
            select series_id, at, open_e8, high_e8, low_e8, close_e8, changes, simulated from (
                -- A join with `wanted` would need a sort.
                select s.id as series_id, k.start as at, k.open_e8, k.high_e8, k.low_e8, k.close_e8, k.changes, k.simulated
                from course_series s
                cross join course_candles k
                where s.id in (select value from json_each(?1)) and k.width_secs = ?7 and k.series_id = s.id
                    and k.start >= max(?2, iif(s.id = ?4, ?5, 0)) and k.start < ?3
                order by s.id, k.start
                limit ?6
            )
            union all
            select w.id, k.start, k.open_e8, k.high_e8, k.low_e8, k.close_e8, k.changes, k.simulated
            from wanted w
            cross join course_candles k
            where ?7 > 3600 and k.width_secs = 3600 and k.series_id = w.id
                and k.start >= max(w.lower, w.days_until) and k.start < ?3
            union all
            select w.id, k.start, k.open_e8, k.high_e8, k.low_e8, k.close_e8, k.changes, k.simulated
            from wanted w
            cross join course_candles k
            where ?7 > 60 and k.width_secs = 60 and k.series_id = w.id
                and k.start >= max(w.lower, w.hours_until) and k.start < ?3
            union all
            select w.id, c.since, c.value_e8, c.value_e8, c.value_e8, c.value_e8, 1, c.simulated
            from wanted w
            cross join courses c
            where c.series_id = w.id and c.since >= max(w.lower, w.minutes_until) and c.since < ?3
        ),
        candles as (
            select
                series_id,
                at - at % (?7 * 1000000) as start,
                json_group_array(open_e8 order by at) ->> 0 as open_e8,
                max(high_e8) as high_e8,
                min(low_e8) as low_e8,
                json_group_array(close_e8 order by at desc) ->> 0 as close_e8,
                sum(changes) as changes,
                max(simulated) as simulated
            from parts
            group by 1, 2
            order by 1, 2
            limit ?6
        )
    select
        s.id, s.exchanger, s.direction, c.start, c.open_e8, c.high_e8, c.low_e8, c.close_e8, c.changes, c.simulated
    from candles c
    cross join course_series s on s.id = c.series_id
    order by c.series_id, c.start";

/// The time until which each series is aggregated into candles of a width, and the first row that is not aggregated.
pub(super) const FOLD_PROGRESS: &str = "
    with progress as (
        select
            id,
            case ?1 when 60 then minutes_until when 3600 then hours_until else days_until end as folded,
            case ?1
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
        case ?1
            when 60 then (select min(since) from courses where series_id = id and since >= folded)
            else (
                select min(start) from course_candles where width_secs = ?2 and series_id = id and start >= folded
            )
        end as first
    from progress
    where settled - settled % (?1 * 1000000) > folded
    order by id";

pub(super) const INSERT_CANDLES: &str = "
    insert into course_candles (
        width_secs, series_id, start, open_e8, high_e8, low_e8, close_e8, changes, simulated
    )
    select
        ?2,
        series_id,
        at - at % (?2 * 1000000) as start,
        json_group_array(open_e8 order by at) ->> 0,
        max(high_e8),
        min(low_e8),
        json_group_array(close_e8 order by at desc) ->> 0,
        sum(changes),
        max(simulated)
    from (
        select
            c.series_id, c.since as at, c.value_e8 as open_e8, c.value_e8 as high_e8, c.value_e8 as low_e8,
            c.value_e8 as close_e8, 1 as changes, c.simulated
        from json_each(?1) as fold
        cross join courses c
        where ?3 = 0 and c.series_id = fold.value ->> 0
            and c.since >= fold.value ->> 1 and c.since < fold.value ->> 2
        union all
        select k.series_id, k.start, k.open_e8, k.high_e8, k.low_e8, k.close_e8, k.changes, k.simulated
        from json_each(?1) as fold
        cross join course_candles k
        where ?3 > 0 and k.width_secs = ?3 and k.series_id = fold.value ->> 0
            and k.start >= fold.value ->> 1 and k.start < fold.value ->> 2
    )
    group by 2, 3";

pub(super) const MARK_FOLDED: &str = "
    update course_series
    set
        minutes_until = iif(?2 = 60, fold.value ->> 2, minutes_until),
        hours_until = iif(?2 = 3600, fold.value ->> 2, hours_until),
        days_until = iif(?2 = 86400, fold.value ->> 2, days_until)
    from json_each(?1) as fold
    where course_series.id = fold.value ->> 0";

pub(super) const REMOVE_COURSES: &str = "
    delete from courses where (series_id, since) in (
        select c.series_id, c.since
        from course_series s
        cross join courses c
        where c.series_id = s.id and c.since < min(?1, s.minutes_until) and c.until <= ?1
        limit ?2
    )";

pub(super) const REMOVE_CANDLES: &str = "
    delete from course_candles where (width_secs, series_id, start) in (
        select k.width_secs, k.series_id, k.start
        from course_series s
        cross join course_candles k
        where k.width_secs = ?1 and k.series_id = s.id
            and k.start <= ?2
            -- Days are not folded further.
            and k.start < case ?1 when 60 then s.hours_until when 3600 then s.days_until else ?2 + 1 end
        limit ?3
    )";
