// A linear model and nearest neighbours in Rust, without crates: prints what examples/models.cpp prints.
//     rustc --edition 2021 -O models.rs -L build/library
use std::ffi::{c_char, c_int, c_void, CStr};
use std::ptr;

#[repr(C)]
struct Array {
    data: *const c_void,
    rows: usize,
    columns: usize,
    row_stride: isize,
    column_stride: isize,
    dtype: i32,
}

#[repr(C)]
struct Model {
    _private: [u8; 0],
}

const FLOAT64: i32 = 1;
const UNIFORM: c_int = 0;

#[link(name = "rmodels")]
extern "C" {
    fn rmodels_error() -> *const c_char;
    fn rmodels_fit_linear(
        x: *const Array, y: *const Array, weights: *const Array, steps: usize, learning_rate: f64,
        fit_intercept: c_int, threads: c_int, model: *mut *mut Model,
    ) -> c_int;
    fn rmodels_coefficients(model: *const Model, coefficients: *mut f64, intercepts: *mut f64) -> c_int;
    fn rmodels_predict(model: *const Model, x: *const Array, threads: c_int, predictions: *mut f64) -> c_int;
    fn rmodels_fit_neighbors_classifier(
        x: *const Array, codes: *const i64, n_classes: usize, n_neighbors: usize, metric: *const c_char, p: f64,
        weights: c_int, threads: c_int, model: *mut *mut Model,
    ) -> c_int;
    fn rmodels_neighbors(
        model: *const Model, x: *const Array, n_neighbors: usize, threads: c_int, distances: *mut f64,
        indices: *mut i64,
    ) -> c_int;
    fn rmodels_classify(
        model: *const Model, x: *const Array, threads: c_int, codes: *mut i64, shares: *mut f64,
    ) -> c_int;
    fn rmodels_free(model: *mut Model);
}

/// Ends the program if there was an error.
fn check(status: c_int) {
    if status != 0 {
        // SAFETY: the library returns text that ends with 0, and lives until the next error.
        let message = unsafe { CStr::from_ptr(rmodels_error()) };
        eprintln!("rmodels: error: {}", message.to_string_lossy());
        std::process::exit(1);
    }
}

fn matrix(values: &[f64], columns: usize) -> Array {
    Array {
        data: values.as_ptr().cast(),
        rows: values.len() / columns,
        columns,
        row_stride: columns as isize,
        column_stride: 1,
        dtype: FLOAT64,
    }
}

/// A model, which is freed when it goes out of use.
struct Fitted(*mut Model);

impl Drop for Fitted {
    fn drop(&mut self) {
        // SAFETY: a function of the library made the model, and nobody else frees it.
        unsafe { rmodels_free(self.0) }
    }
}

impl Fitted {
    fn linear(x: &[f64], columns: usize, y: &[f64], steps: usize, learning_rate: f64) -> Fitted {
        let (x, y) = (matrix(x, columns), matrix(y, 1));
        let mut model = ptr::null_mut();
        // SAFETY: both matrices live until the call returns, and the model is made there.
        check(unsafe { rmodels_fit_linear(&x, &y, ptr::null(), steps, learning_rate, 1, 0, &mut model) });
        Fitted(model)
    }

    fn classifier(x: &[f64], columns: usize, codes: &[i64], classes: usize, k: usize) -> Fitted {
        assert_eq!(codes.len(), x.len() / columns);
        let x = matrix(x, columns);
        let mut model = ptr::null_mut();
        // SAFETY: as above; there is a code for each row.
        check(unsafe {
            rmodels_fit_neighbors_classifier(
                &x, codes.as_ptr(), classes, k, c"euclidean".as_ptr(), 2.0, UNIFORM, 0, &mut model,
            )
        });
        Fitted(model)
    }
}

fn main() {
    // Points on a grid; y = 3 + 2 a - b, and whether that is above 3.
    let (mut points, mut targets, mut codes) = (vec![], vec![], vec![]);
    for i in 0..40 {
        let (a, b) = ((i % 8) as f64 / 8.0, (i / 8) as f64 / 5.0);
        let y = 3.0 + 2.0 * a - b;
        points.extend([a, b]);
        targets.push(y);
        codes.push(i64::from(y > 3.0));
    }
    let query = [0.3, 0.45];
    let q = matrix(&query, 2);

    let linear = Fitted::linear(&points, 2, &targets, 1000, 0.05);
    let (mut coefficients, mut intercept, mut predicted) = ([0.0; 2], 0.0, 0.0);
    // SAFETY: the model has two features and one target, and q one row.
    check(unsafe { rmodels_coefficients(linear.0, coefficients.as_mut_ptr(), &mut intercept) });
    println!("coefficients {} {} {}", coefficients[0], coefficients[1], intercept);
    check(unsafe { rmodels_predict(linear.0, &q, 0, &mut predicted) });
    println!("prediction {predicted}");

    let neighbors = Fitted::classifier(&points, 2, &codes, 2, 3);
    let (mut distances, mut indices, mut code, mut shares) = ([0.0; 3], [0i64; 3], 0i64, [0.0; 2]);
    // SAFETY: q has one row: there are three neighbours, one class and two shares.
    check(unsafe { rmodels_neighbors(neighbors.0, &q, 3, 0, distances.as_mut_ptr(), indices.as_mut_ptr()) });
    for (index, distance) in indices.iter().zip(distances) {
        println!("neighbour {index} {distance}");
    }
    check(unsafe { rmodels_classify(neighbors.0, &q, 0, &mut code, shares.as_mut_ptr()) });
    println!("class {code} {}", shares[code as usize]);
}
