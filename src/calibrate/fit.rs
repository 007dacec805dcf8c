//! Least squares, medians and ranges: what turns repeated measurements into one price.

/// Columns below this share of the largest after elimination cannot be told from the others.
const SINGULAR: f64 = 1e-9;

/// A fit of `value = Σ coefficient × column`.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// One coefficient a column.
    pub coefficients: Vec<f64>,
    /// Root mean square of what is left of the rows, as a share of their values.
    pub residual: f64,
}

/// One row of a fit: its columns and its value, > 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What was done, a number for each coefficient.
    pub columns: Vec<f64>,
    /// What it took.
    pub value: f64,
}

impl Row {
    /// A row of `columns` that took `value`.
    pub fn new(columns: &[f64], value: f64) -> Self {
        Row { columns: columns.to_vec(), value }
    }
}

/// Least squares with every row counted by its relative error, since noise of CPU time is a share of it.
///
/// None when the rows do not tell the columns apart, or a value is not above zero.
pub fn least_squares(rows: &[Row]) -> Option<Fit> {
    let width = rows.first()?.columns.len();
    if rows.iter().any(|row| row.columns.len() != width || row.value <= 0.0) {
        return None;
    }
    // Columns are brought to one size first, or a price per KiB beside one per pass would look singular.
    let sizes: Vec<f64> = (0..width)
        .map(|column| rows.iter().map(|row| (row.columns[column] / row.value).powi(2)).sum::<f64>().sqrt())
        .collect();
    if sizes.contains(&0.0) {
        return None;
    }
    let mut normal = vec![vec![0.0; width + 1]; width];
    for row in rows {
        let scaled: Vec<f64> = (0..width).map(|c| row.columns[c] / row.value / sizes[c]).collect();
        for (left, equation) in normal.iter_mut().enumerate() {
            for right in 0..width {
                equation[right] += scaled[left] * scaled[right];
            }
            equation[width] += scaled[left];
        }
    }
    let solved = solve(normal)?;
    let coefficients: Vec<f64> = solved.iter().zip(&sizes).map(|(value, size)| value / size).collect();
    let squares = rows.iter().map(|row| (predicted(&coefficients, row) / row.value - 1.0).powi(2));
    let residual = (squares.sum::<f64>() / rows.len() as f64).sqrt();
    Some(Fit { coefficients, residual })
}

fn predicted(coefficients: &[f64], row: &Row) -> f64 {
    coefficients.iter().zip(&row.columns).map(|(coefficient, column)| coefficient * column).sum()
}

/// Gaussian elimination with pivots; each row ends with its right-hand side.
fn solve(mut rows: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let width = rows.len();
    for column in 0..width {
        let size = |row: &usize| rows[*row][column].abs();
        let pivot = (column..width).max_by(|a, b| size(a).total_cmp(&size(b)))?;
        if rows[pivot][column].abs() < SINGULAR {
            return None;
        }
        rows.swap(column, pivot);
        let own = rows[column].clone();
        for row in rows.iter_mut().skip(column + 1) {
            let factor = row[column] / own[column];
            row.iter_mut().zip(&own).for_each(|(left, right)| *left -= factor * right);
        }
    }
    let mut solution = vec![0.0; width];
    for row in (0..width).rev() {
        let known: f64 = (row + 1..width).map(|column| rows[row][column] * solution[column]).sum();
        solution[row] = (rows[row][width] - known) / rows[row][row];
    }
    Some(solution)
}

/// Median, smallest and largest of repeats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Repeats {
    /// Median.
    pub median: f64,
    /// Smallest.
    pub low: f64,
    /// Largest.
    pub high: f64,
    /// How many.
    pub count: usize,
}

impl Repeats {
    /// Of `values`; none without any.
    pub fn of(values: &[f64]) -> Option<Repeats> {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        };
        Some(Repeats { median, low, high, count: sorted.len() })
    }

    /// Every number times `factor` > 0.
    pub fn times(self, factor: f64) -> Repeats {
        Repeats { median: self.median * factor, low: self.low * factor, high: self.high * factor, ..self }
    }

    /// Every number less `cost`.
    pub fn less(self, cost: f64) -> Repeats {
        Repeats { median: self.median - cost, low: self.low - cost, high: self.high - cost, ..self }
    }
}

/// The value below which a share `q` of the sorted `values` lies; 0 without values.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_prices_come_back_and_what_is_left_is_told() {
        let designs = [[1.0, 1.0, 16.0], [1.0, 4.0, 64.0], [1.0, 16.0, 128.0], [1.0, 16.0, 1024.0]];
        let exact = |columns: &[f64; 3]| 2.1 * columns[0] + 6.4 * columns[1] + 1.25 * columns[2];
        let rows: Vec<Row> = designs.iter().map(|columns| Row::new(columns, exact(columns))).collect();
        let fit = least_squares(&rows).expect("three prices, four designs");
        for (found, known) in fit.coefficients.iter().zip([2.1, 6.4, 1.25]) {
            assert!((found / known - 1.0).abs() < 1e-6, "{fit:?}");
        }
        assert!(fit.residual < 1e-9);
        // A row that costs a tenth more than the prices say leaves a residual of that order.
        let off: Vec<Row> =
            rows.iter().chain(&[Row::new(&designs[1], 1.1 * exact(&designs[1]))]).cloned().collect();
        let residual = least_squares(&off).expect("still").residual;
        assert!((0.01..0.1).contains(&residual), "{residual}");
    }

    #[test]
    fn what_the_designs_do_not_tell_apart_is_not_fitted() {
        let together: Vec<Row> = [1.0, 2.0, 5.0].iter().map(|n| Row::new(&[*n, 2.0 * n], 7.0 * n)).collect();
        assert_eq!(least_squares(&together), None);
        assert_eq!(least_squares(&[Row::new(&[1.0, 0.0], 1.0), Row::new(&[2.0, 0.0], 2.0)]), None);
        assert_eq!(least_squares(&[Row::new(&[1.0], 0.0)]), None);
        assert_eq!(least_squares(&[]), None);
    }

    #[test]
    fn repeats_give_their_middle_and_ends() {
        let odd = Repeats::of(&[3.0, 1.0, f64::NAN, 2.0]).expect("three values");
        assert_eq!((odd.median, odd.low, odd.high, odd.count), (2.0, 1.0, 3.0, 3));
        assert_eq!(Repeats::of(&[1.0, 2.0, 4.0, 8.0]).map(|r| r.median), Some(3.0));
        assert_eq!(Repeats::of(&[f64::INFINITY]), None);
        let sorted: Vec<f64> = (1..=1000).map(f64::from).collect();
        assert_eq!(
            (quantile(&sorted, 0.0), quantile(&sorted, 0.5), quantile(&sorted, 0.999)),
            (1.0, 500.0, 999.0)
        );
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
